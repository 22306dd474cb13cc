#include <fmt/core.h>

#include "sql/bind_expression.h"
#include "sql/coerce.h"

namespace tidemill::sql {

using record::Kind;
using record::Type;

namespace {

AggregateKind kind_of(const std::string& name, bool counts_rows) {
  if (name == "COUNT") return counts_rows ? AggregateKind::count_star : AggregateKind::count;
  if (name == "SUM") return AggregateKind::sum;
  if (name == "AVG") return AggregateKind::avg;
  return name == "MIN" ? AggregateKind::min : AggregateKind::max;
}

bool accepts(AggregateKind kind, const Type& type) {
  if (kind == AggregateKind::sum || kind == AggregateKind::avg) return type.numeric();
  if (kind == AggregateKind::min || kind == AggregateKind::max) return !type.nested() && type.kind() != Kind::boolean;
  return true;
}

Type result_type(AggregateKind kind, const Expr* argument) {
  if (kind == AggregateKind::count_star || kind == AggregateKind::count) return Kind::bigint;
  return kind == AggregateKind::avg ? Type(Kind::double_) : argument->type;
}

bool same(const Aggregate& a, const Aggregate& b) {
  if (a.kind != b.kind || !a.argument != !b.argument) return false;
  return !a.argument || (a.argument->text == b.argument->text && a.argument->type == b.argument->type);
}

}  // namespace

ExprPtr ExpressionBinder::bind_aggregate(const Ast& ast) {
  if (in_aggregate_) refuse(ast, fmt::format("Aggregate functions can not be nested: {} is inside another one", ast.name), "aggregate into a table first, then over that");
  if (clause_ == Clause::group_by || clause_ == Clause::partition_by) {
    refuse(ast, fmt::format("{} does not support aggregate functions: {} is an aggregate function.", clause_name(clause_), ast.name), "use a column");
  }
  if (clause_ == Clause::where) refuse(ast, fmt::format("WHERE does not support aggregate functions: {} is an aggregate function.", ast.name), "use HAVING");
  in_aggregate_ = true;
  auto args = bind_args(ast);
  in_aggregate_ = false;
  bool counts_rows = ast.name == "COUNT" && args.empty();
  Aggregate aggregate;
  aggregate.kind = kind_of(ast.name, counts_rows);
  if (!counts_rows && (args.size() != 1 || null_literal(*args[0]) || !accepts(aggregate.kind, args[0]->type))) {
    std::string types;
    for (auto& arg : args) types += (types.empty() ? "" : ", ") + arg->type.text();
    refuse(ast, fmt::format("Function '{}' does not accept parameters ({}).", ast.name, types), fmt::format("{} takes one argument{}", ast.name, aggregate.kind == AggregateKind::sum || aggregate.kind == AggregateKind::avg ? ", a number" : ""));
  }
  auto text = fmt::format("{}({})", ast.name, counts_rows ? (ast.star ? "*" : "") : args[0]->text);
  if (!counts_rows) {
    bool to_double = aggregate.kind == AggregateKind::avg && args[0]->type.kind() == Kind::decimal;
    aggregate.argument = to_double ? convert(ast, args[0], Kind::double_) : args[0];
  }
  aggregate.type = result_type(aggregate.kind, aggregate.argument.get());
  std::size_t index = 0;
  while (index < aggregates_.size() && !same(aggregates_[index], aggregate)) ++index;
  auto type = aggregate.type;
  if (index == aggregates_.size()) {
    aggregates_.push_back(std::move(aggregate));
    aggregate_names_.push_back(ast.name);
  }
  auto call = std::make_shared<Expr>(*make(ExprOp::call, type, {}, std::move(text), static_cast<int>(index)));
  call->function = aggregate_marker;
  return call;
}

}  // namespace tidemill::sql
