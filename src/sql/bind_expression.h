// Expressions of one query, from tree to typed form. Private to the room. Throws Refusal.
//
// Aggregate calls become `call` nodes named aggregate_marker whose index is their place in aggregates(); bind_query rewrites them
// once the grouping is known.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sql/ast.h"
#include "sql/functions.h"
#include "sql/parser.h"
#include "sql/plan.h"

namespace tidemill::sql {

enum class Clause : std::uint8_t { select, where, group_by, partition_by, having };
std::string_view clause_name(Clause clause);

inline constexpr std::string_view aggregate_marker = "$AGGREGATE";

class ExpressionBinder {
 public:
  // `window_bounds`: the query has a WINDOW, so its SELECT and HAVING may name WINDOWSTART and WINDOWEND.
  ExpressionBinder(const Source& source, std::string alias, QueryForm form, bool window_bounds);

  ExprPtr bind(const Ast& ast, Clause clause);
  // A BOOLEAN for WHERE or HAVING.
  ExprPtr bind_condition(const Ast& ast, Clause clause);
  // The column as an expression; for *.
  ExprPtr column(int index);
  ExprPtr pseudo_column(Pseudo pseudo);

  const std::vector<Aggregate>& aggregates() const { return aggregates_; }
  const std::vector<std::string>& aggregate_names() const { return aggregate_names_; }
  const Source& source() const { return source_; }
  int column_count() const { return static_cast<int>(source_.columns.size()); }

 private:
  using Args = std::vector<ExprPtr>;

  ExprPtr bind_node(const Ast& ast);
  Args bind_args(const Ast& ast);
  ExprPtr bind_column(const Ast& ast);
  ExprPtr bind_window_bound(const Ast& ast, Pseudo pseudo);
  ExprPtr bind_literal(const Ast& ast);
  ExprPtr bind_arithmetic(const Ast& ast);
  ExprPtr bind_negate(const Ast& ast);
  ExprPtr bind_comparison(const Ast& ast);
  ExprPtr bind_logic(const Ast& ast);
  ExprPtr bind_between(const Ast& ast);
  ExprPtr bind_in(const Ast& ast);
  ExprPtr bind_like(const Ast& ast);
  ExprPtr bind_case(const Ast& ast);
  ExprPtr bind_cast(const Ast& ast);
  ExprPtr bind_field(const Ast& ast);
  ExprPtr bind_element(const Ast& ast);
  ExprPtr bind_concat(const Ast& ast);
  ExprPtr bind_call(const Ast& ast);
  ExprPtr bind_aggregate(const Ast& ast);
  ExprPtr bind_scalar(const Ast& ast, const Function& function);

  // Both sides of a comparison in one type; a NULL stands for itself.
  void match(const Ast& ast, ExprPtr& left, ExprPtr& right);
  ExprPtr make(ExprOp op, record::Type type, Args args, std::string text, int index = -1);
  ExprPtr convert(const Ast& ast, const ExprPtr& expr, const record::Type& type);
  [[noreturn]] void refuse(const Ast& ast, std::string message, std::string hint = {}) const;
  [[noreturn]] void refuse_column(const Ast& ast, const std::string& shown) const;
  std::string column_names() const;

  const Source& source_;
  std::string alias_;
  QueryForm form_;
  bool window_bounds_;
  Clause clause_ = Clause::select;
  bool in_aggregate_ = false;
  int nodes_ = 0;
  std::size_t text_bytes_ = 0;
  std::vector<Aggregate> aggregates_;
  std::vector<std::string> aggregate_names_;  // as called, beside aggregates_
};

// An identifier as it must be written: bare when upper case and plain, else in backquotes.
std::string written(std::string_view name);
std::string literal_text(const record::Value& value, const record::Type& type);
std::string located(Position at, std::string_view message);

// The overload for these arguments, which are converted to its parameters; the call's type. An error when there is none.
Result<record::Type> resolve_overload(const Function& function, std::vector<ExprPtr>& args);

}  // namespace tidemill::sql
