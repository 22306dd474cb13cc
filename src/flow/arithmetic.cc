#include <cmath>

#include "base/check.h"
#include "flow/cast.h"
#include "flow/expression_node.h"
#include "flow/value_text.h"

// + - * / % and unary minus, as Java does them: whole numbers wrap, doubles follow IEEE, decimals are exact or an error.

namespace tidemill::flow {
namespace {

using record::Lane;
using sql::ExprOp;

using Wide = unsigned __int128;

// Runs `compute(left row, right row, row)` where both sides are there; a NULL side makes the expression fail.
template <class Compute>
void for_both(Evaluation& in, Rows rows, const Operand& left, const Operand& right, record::Column& out, Compute compute) {
  auto* left_valid = left.column->valid.data();
  auto* right_valid = right.column->valid.data();
  for (auto row : rows) {
    auto l = left.at(row), r = right.at(row);
    if (!(left_valid[l] & right_valid[r])) [[unlikely]] {
      out.valid[row] = 0;
      in.fail_quietly(row);
      continue;
    }
    out.valid[row] = 1;
    compute(l, r, row);
  }
}

template <class Node>
class BinaryNode : public ExpressionNode {
 public:
  BinaryNode(const sql::Expr& expr, NodePtr left, NodePtr right)
      : ExpressionNode(expr.type), op_(expr.op), left_(std::move(left)), right_(std::move(right)) {}
  Operand evaluate(Evaluation& in, Rows rows) override {
    begin(in);
    auto left = left_->evaluate(in, rows);
    auto right = right_->evaluate(in, rows);
    static_cast<Node*>(this)->compute(in, rows, left, right);
    return result(in);
  }

 protected:
  void error(Evaluation& in, std::uint32_t row, std::string message) {
    out_.valid[row] = 0;
    in.fail(row, std::move(message));
  }
  ExprOp op_;
  NodePtr left_, right_;
};

class WholeNode : public BinaryNode<WholeNode> {
 public:
  WholeNode(const sql::Expr& expr, NodePtr left, NodePtr right)
      : BinaryNode(expr, std::move(left), std::move(right)), narrow_(expr.type.kind() == record::Kind::integer) {}

  void compute(Evaluation& in, Rows rows, const Operand& left, const Operand& right) {
    auto* a = left.column->whole.data();
    auto* b = right.column->whole.data();
    auto* out = out_.whole.data();
    auto wrap = [narrow = narrow_](std::uint64_t v) { return narrow ? std::int64_t{static_cast<std::int32_t>(v)} : static_cast<std::int64_t>(v); };
    auto u = [](std::int64_t v) { return static_cast<std::uint64_t>(v); };
    switch (op_) {
      case ExprOp::add: return for_both(in, rows, left, right, out_, [=](auto l, auto r, auto row) { out[row] = wrap(u(a[l]) + u(b[r])); });
      case ExprOp::subtract: return for_both(in, rows, left, right, out_, [=](auto l, auto r, auto row) { out[row] = wrap(u(a[l]) - u(b[r])); });
      case ExprOp::multiply: return for_both(in, rows, left, right, out_, [=](auto l, auto r, auto row) { out[row] = wrap(u(a[l]) * u(b[r])); });
      default: break;
    }
    bool divide = op_ == ExprOp::divide;
    for_both(in, rows, left, right, out_, [&](auto l, auto r, auto row) {
      if (b[r] == 0) return error(in, row, "division by zero");
      if (b[r] == -1) { out[row] = divide ? wrap(0 - u(a[l])) : 0; return; }  // the one quotient that overflows
      out[row] = divide ? a[l] / b[r] : a[l] % b[r];
    });
  }

 private:
  bool narrow_;
};

class RealNode : public BinaryNode<RealNode> {
 public:
  using BinaryNode::BinaryNode;
  void compute(Evaluation& in, Rows rows, const Operand& left, const Operand& right) {
    auto* a = left.column->real.data();
    auto* b = right.column->real.data();
    auto* out = out_.real.data();
    auto run = [&](auto f) { for_both(in, rows, left, right, out_, [=](auto l, auto r, auto row) { out[row] = f(a[l], b[r]); }); };
    switch (op_) {
      case ExprOp::add: return run([](double x, double y) { return x + y; });
      case ExprOp::subtract: return run([](double x, double y) { return x - y; });
      case ExprOp::multiply: return run([](double x, double y) { return x * y; });
      case ExprOp::divide: return run([](double x, double y) { return x / y; });
      default: return run([](double x, double y) { return std::fmod(x, y); });
    }
  }
};

class DecimalNode : public BinaryNode<DecimalNode> {
 public:
  DecimalNode(const sql::Expr& expr, NodePtr left, NodePtr right)
      : BinaryNode(expr, std::move(left), std::move(right)), left_scale_(expr.args[0]->type.scale()), right_scale_(expr.args[1]->type.scale()) {}

  void compute(Evaluation& in, Rows rows, const Operand& left, const Operand& right) {
    auto* a = left.column->decimal.data();
    auto* b = right.column->decimal.data();
    for_both(in, rows, left, right, out_, [&](auto l, auto r, auto row) {
      if ((op_ == ExprOp::divide || op_ == ExprOp::modulo) && b[r] == 0) return error(in, row, "division by zero");
      auto v = one(a[l], b[r]);
      if (!v || !fits(*v, out_.type.precision())) return error(in, row, "result does not fit " + out_.type.text());
      out_.decimal[row] = *v;
    });
  }

 private:
  std::optional<__int128> one(__int128 a, __int128 b) const {
    auto scale = out_.type.scale();
    __int128 v = 0;
    if (op_ == ExprOp::multiply) {
      if (__builtin_mul_overflow(a, b, &v)) return std::nullopt;
      return rescale(v, left_scale_ + right_scale_, scale, Excess::half_up);
    }
    if (op_ == ExprOp::divide) return quotient(a, b, scale + right_scale_ - left_scale_);
    auto common = std::max(left_scale_, right_scale_);
    auto x = rescale(a, left_scale_, common, Excess::refuse), y = rescale(b, right_scale_, common, Excess::refuse);
    if (!x || !y) return std::nullopt;
    if (op_ == ExprOp::add ? __builtin_add_overflow(*x, *y, &v) : op_ == ExprOp::subtract && __builtin_sub_overflow(*x, *y, &v)) return std::nullopt;
    if (op_ == ExprOp::modulo) v = *x % *y;
    return rescale(v, common, scale, Excess::half_up);
  }

  // a / b with `places` more digits; nothing when it is inexact or too large.
  static std::optional<__int128> quotient(__int128 a, __int128 b, int places) {
    bool negative = (a < 0) != (b < 0);
    Wide x = a < 0 ? -static_cast<Wide>(a) : static_cast<Wide>(a), y = b < 0 ? -static_cast<Wide>(b) : static_cast<Wide>(b);
    Wide out = x / y, rest = x % y;
    for (; places > 0; --places) {
      if (rest > ~Wide{0} / 10 || out > ~Wide{0} / 20) return std::nullopt;
      rest *= 10;
      out = out * 10 + rest / y;
      rest %= y;
    }
    if (rest != 0) return std::nullopt;
    for (; places < 0; ++places) {
      if (out % 10 != 0) return std::nullopt;
      out /= 10;
    }
    if (out >> 127) return std::nullopt;
    return negative ? -static_cast<__int128>(out) : static_cast<__int128>(out);
  }

  int left_scale_, right_scale_;
};

class NegateNode : public ExpressionNode {
 public:
  NegateNode(const sql::Expr& expr, NodePtr arg) : ExpressionNode(expr.type), arg_(std::move(arg)) {}
  Operand evaluate(Evaluation& in, Rows rows) override {
    begin(in);
    auto arg = arg_->evaluate(in, rows);
    bool narrow = out_.type.kind() == record::Kind::integer;
    for (auto row : rows) {
      auto at = arg.at(row);
      if (arg.column->null(at)) {
        set_null(row);
        in.fail_quietly(row);
        continue;
      }
      out_.valid[row] = 1;
      if (out_.lane == Lane::real) out_.real[row] = -arg.column->real[at];
      else if (out_.lane == Lane::decimal) out_.decimal[row] = -arg.column->decimal[at];
      else {
        auto v = 0 - static_cast<std::uint64_t>(arg.column->whole[at]);
        out_.whole[row] = narrow ? std::int64_t{static_cast<std::int32_t>(v)} : static_cast<std::int64_t>(v);
      }
    }
    return result(in);
  }

 private:
  NodePtr arg_;
};

// Widenings that hurt nobody run in columns; the rest goes value by value.
class CastNode : public ExpressionNode {
 public:
  CastNode(const sql::Expr& expr, NodePtr arg) : ExpressionNode(expr.type), from_(expr.args[0]->type), arg_(std::move(arg)) {}
  Operand evaluate(Evaluation& in, Rows rows) override {
    auto arg = evaluate_apart(*arg_, in, rows);
    if (from_ == out_.type) return arg;
    begin(in);
    auto& column = *arg.column;
    bool whole = column.lane == Lane::whole && from_.numeric();
    if (whole && out_.type.kind() == record::Kind::bigint) {
      for (auto row : rows) { out_.valid[row] = column.valid[arg.at(row)]; out_.whole[row] = column.whole[arg.at(row)]; }
    } else if (whole && out_.lane == Lane::real) {
      for (auto row : rows) { out_.valid[row] = column.valid[arg.at(row)]; out_.real[row] = static_cast<double>(column.whole[arg.at(row)]); }
    } else {
      for (auto row : rows) one(in, column.value(arg.at(row)), row);
    }
    return result(in);
  }

 private:
  void one(Evaluation& in, const record::Value& value, std::uint32_t row) {
    auto cast = cast_value(value, from_, out_.type);
    if (cast) return put(row, *cast, in.arena);
    set_null(row);  // a failing cast is NULL itself; what is around it goes on
    in.errors.push_back({row, cast.error().message});
  }
  record::Type from_;
  NodePtr arg_;
};

}  // namespace

NodePtr make_arithmetic(const sql::Expr& expr, NodePtr left, NodePtr right) {
  if (!right) return std::make_unique<NegateNode>(expr, std::move(left));
  switch (record::lane_of(expr.type.kind())) {
    case Lane::whole: return std::make_unique<WholeNode>(expr, std::move(left), std::move(right));
    case Lane::real: return std::make_unique<RealNode>(expr, std::move(left), std::move(right));
    case Lane::decimal: return std::make_unique<DecimalNode>(expr, std::move(left), std::move(right));
    default: CHECK(false, "no arithmetic on {}", expr.type.text());
  }
}

NodePtr make_cast(const sql::Expr& expr, NodePtr arg) { return std::make_unique<CastNode>(expr, std::move(arg)); }

}  // namespace tidemill::flow
