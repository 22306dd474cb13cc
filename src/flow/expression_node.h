// What expression nodes share: the context of one evaluation and the way a node fills its column. Private to this room.
#pragma once

#include "flow/expression.h"

namespace tidemill::flow {

struct Evaluation {
  std::span<const record::Column> columns;
  record::Arena& arena;
  ErrorLog& errors;
  std::vector<std::uint8_t>* failed;  // rows in which the expression around us has failed
  bool any_failed = false;
  std::uint32_t rows_end = 0;         // one past the last row asked for

  // An error with a reason, or one without (NULL where a value is needed), which is not worth a line in the log.
  void fail(std::uint32_t row, std::string message);
  void fail_quietly(std::uint32_t row);
};

class ExpressionNode {
 public:
  explicit ExpressionNode(const record::Type& type) : out_(type) {}
  virtual ~ExpressionNode() = default;
  virtual Operand evaluate(Evaluation& in, Rows rows) = 0;

 protected:
  // Readies out_ for the rows: fixed lanes are written in any order by row number, nested ones are appended by put_nested.
  void begin(const Evaluation& in);
  void put(std::uint32_t row, const record::Value& value, record::Arena& arena);
  void set_null(std::uint32_t row);
  Operand result(const Evaluation& in);
  bool fixed() const { return out_.lane < record::Lane::list; }

  record::Column out_;
};
using NodePtr = std::unique_ptr<ExpressionNode>;

// Evaluates a piece whose failure makes only itself NULL: arguments of functions and casts, items and keys.
Operand evaluate_apart(ExpressionNode& node, Evaluation& in, Rows rows);

NodePtr make_node(const sql::Expr& expr);
NodePtr make_arithmetic(const sql::Expr& expr, NodePtr left, NodePtr right);
NodePtr make_comparison(sql::ExprOp op, NodePtr left, NodePtr right);
NodePtr make_cast(const sql::Expr& expr, NodePtr arg);
NodePtr make_call(const sql::Expr& expr, std::vector<NodePtr> args);
NodePtr make_like(const sql::Expr& expr, std::vector<NodePtr> args);
NodePtr make_in(const sql::Expr& expr, std::vector<NodePtr> args);

}  // namespace tidemill::flow
