// Expressions over columns. A bound expression (sql/plan.h) becomes a tree of nodes that each compute one column for the rows asked for.
// Logic is two-valued: a comparison with NULL is false. What goes wrong in a row is the row's: the expression is NULL there
// and the reason goes to the ErrorLog. CASE, AND and OR look only at the rows that reach them. One task, no threads.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "record/chunk.h"
#include "sql/plan.h"

namespace tidemill::flow {

struct RowError {
  std::uint32_t row;
  std::string message;
};
using ErrorLog = std::vector<RowError>;
using Rows = std::span<const std::uint32_t>;  // ascending

// A column as an operand; a constant has one row for all.
struct Operand {
  const record::Column* column = nullptr;
  std::uint32_t step = 1;
  std::uint32_t at(std::uint32_t row) const { return row * step; }
  bool null(std::uint32_t row) const { return column->null(row * step); }
};

class ExpressionNode;

class Expression {
 public:
  explicit Expression(const sql::ExprPtr& expr);
  Expression(Expression&&) noexcept;
  Expression& operator=(Expression&&) noexcept;
  ~Expression();

  // Valid until the next call, or until the chunk changes. Only the rows in `rows` mean anything.
  Operand evaluate(std::span<const record::Column> columns, record::Arena& arena, Rows rows, ErrorLog& errors);

 private:
  std::unique_ptr<ExpressionNode> root_;
  std::vector<std::uint8_t> failed_;
  record::Column patched_;
};

// The rows of `rows` for which a BOOLEAN expression is true.
void keep_true(const Operand& condition, Rows rows, std::vector<std::uint32_t>& kept);

// Which input columns an expression reads.
void mark_columns(const sql::ExprPtr& expr, std::vector<bool>& used);

}  // namespace tidemill::flow
