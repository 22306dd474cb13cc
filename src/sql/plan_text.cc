#include "sql/plan_text.h"

#include <fmt/core.h>

#include "sql/bind_expression.h"
#include "sql/sql.h"

namespace tidemill::sql {

namespace {

std::string_view op_name(ExprOp op) {
  static constexpr std::string_view names[] = {"column", "literal", "add", "subtract", "multiply", "divide", "modulo", "negate", "equal", "not_equal", "less",
                                               "less_equal", "greater", "greater_equal", "distinct_from", "not_distinct_from", "and", "or", "not", "is_null",
                                               "is_not_null", "concat", "like", "in", "between", "case", "cast", "field", "element", "call"};
  return names[static_cast<std::size_t>(op)];
}

std::string_view aggregate_name(AggregateKind kind) {
  static constexpr std::string_view names[] = {"COUNT", "COUNT", "SUM", "AVG", "MIN", "MAX"};
  return names[static_cast<std::size_t>(kind)];
}

template <class List>
std::string args_text(const List& list) {
  std::string out;
  for (auto& e : list) out += (out.empty() ? "" : ", ") + expr_text(*e);
  return out;
}

}  // namespace

std::string expr_text(const Expr& expr) {
  switch (expr.op) {
    case ExprOp::column: return fmt::format("#{}", expr.index);
    case ExprOp::literal: return literal_text(expr.value, expr.type) + ":" + expr.type.text();
    case ExprOp::cast: return expr_text(*expr.args[0]) + ":" + expr.type.text();
    case ExprOp::field: return fmt::format("{}.{}", expr_text(*expr.args[0]), expr.index);
    case ExprOp::call: return fmt::format("{}({})", expr.function, args_text(expr.args));
    default: return fmt::format("{}({})", op_name(expr.op), args_text(expr.args));
  }
}

std::string plan_text(const QueryPlan& plan) {
  std::string out = fmt::format("from {}\n", plan.source.name);
  if (plan.where) out += fmt::format("where {}\n", expr_text(*plan.where));
  if (plan.window) out += fmt::format("window {} ms, grace {} ms\n", plan.window->size_ms, plan.window->grace_ms);
  if (plan.grouped) out += fmt::format("group by {}\n", args_text(plan.group_by));
  for (auto& a : plan.aggregates) out += fmt::format("aggregate {}({}) {}\n", aggregate_name(a.kind), a.argument ? expr_text(*a.argument) : "*", a.type.text());
  if (plan.having) out += fmt::format("having {}\n", expr_text(*plan.having));
  if (!plan.partition_by.empty()) out += fmt::format("partition by {}\n", args_text(plan.partition_by));
  for (auto& o : plan.outputs) out += fmt::format("{} {} {} = {}\n", o.role == ColumnRole::key ? "key" : "value", quoted(o.name), o.type.text(), expr_text(*o.expr));
  if (plan.limit) out += fmt::format("limit {}\n", *plan.limit);
  out += plan.result == SourceKind::table ? "result table\n" : "result stream\n";
  if (auto& sink = plan.sink) {
    out += fmt::format("into {} topic {} key {} value {}{}\n", sink->name, sink->topic, format_name(sink->key_format), format_name(sink->value_format),
                       sink->window ? fmt::format(" window {} ms", sink->window->size_ms) : "");
  }
  return out;
}

}  // namespace tidemill::sql
