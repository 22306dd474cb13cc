#include "flow/expression.h"

#include "base/check.h"
#include "flow/expression_node.h"

namespace tidemill::flow {

using record::Column;
using record::Lane;
using record::Value;
using sql::ExprOp;

void Evaluation::fail(std::uint32_t row, std::string message) {
  errors.push_back({row, std::move(message)});
  fail_quietly(row);
}

void Evaluation::fail_quietly(std::uint32_t row) {
  (*failed)[row] = 1;
  any_failed = true;
}

void ExpressionNode::begin(const Evaluation& in) {
  if (!fixed()) out_.clear();
  else if (out_.size() < in.rows_end) out_.resize(in.rows_end);
}

void ExpressionNode::set_null(std::uint32_t row) {
  if (fixed()) out_.valid[row] = 0;
  else out_.resize(row + 1);
}

void ExpressionNode::put(std::uint32_t row, const Value& value, record::Arena& arena) {
  if (value.null()) return set_null(row);
  if (!fixed()) {
    out_.resize(row);
    return out_.append(value, arena);
  }
  out_.valid[row] = 1;
  switch (out_.lane) {
    case Lane::whole:
      out_.whole[row] = std::holds_alternative<bool>(value.data) ? std::int64_t{std::get<bool>(value.data)} : std::get<std::int64_t>(value.data);
      break;
    case Lane::real: out_.real[row] = std::get<double>(value.data); break;
    case Lane::decimal: out_.decimal[row] = std::get<record::Decimal>(value.data).unscaled; break;
    default: out_.text[row] = arena.keep(std::get<std::string>(value.data));
  }
}

Operand ExpressionNode::result(const Evaluation& in) {
  if (!fixed() && out_.size() < in.rows_end) out_.resize(in.rows_end);
  return {&out_, 1};
}

Operand evaluate_apart(ExpressionNode& node, Evaluation& in, Rows rows) {
  std::vector<std::uint8_t> failed(in.rows_end, 0);
  auto* outer = std::exchange(in.failed, &failed);
  auto any = std::exchange(in.any_failed, false);
  auto out = node.evaluate(in, rows);
  in.failed = outer;
  in.any_failed = any;
  return out;
}

namespace {

class ColumnNode : public ExpressionNode {
 public:
  ColumnNode(const record::Type& type, int index) : ExpressionNode(type), index_(static_cast<std::size_t>(index)) {}
  Operand evaluate(Evaluation& in, Rows) override {
    CHECK(index_ < in.columns.size(), "column {} of {}", index_, in.columns.size());
    return {&in.columns[index_], 1};
  }

 private:
  std::size_t index_;
};

class LiteralNode : public ExpressionNode {
 public:
  explicit LiteralNode(const sql::Expr& expr) : ExpressionNode(expr.type) { out_.append(expr.value, arena_); }
  Operand evaluate(Evaluation&, Rows) override { return {&out_, 0}; }

 private:
  record::Arena arena_;
};

// AND, OR: the right side is asked only for the rows that the left one leaves open. A NULL operand is an error.
class LogicNode : public ExpressionNode {
 public:
  LogicNode(bool is_and, NodePtr left, NodePtr right)
      : ExpressionNode(record::Kind::boolean), is_and_(is_and), left_(std::move(left)), right_(std::move(right)) {}
  Operand evaluate(Evaluation& in, Rows rows) override {
    begin(in);
    open_.clear();
    auto left = left_->evaluate(in, rows);
    for (auto row : rows) {
      if (left.null(row)) { fail_null(in, row); continue; }
      bool v = left.column->whole[left.at(row)] != 0;
      if (v == is_and_) { open_.push_back(row); continue; }
      out_.valid[row] = 1;
      out_.whole[row] = v;
    }
    if (open_.empty()) return result(in);
    auto right = right_->evaluate(in, open_);
    for (auto row : open_) {
      if (right.null(row)) { fail_null(in, row); continue; }
      out_.valid[row] = 1;
      out_.whole[row] = right.column->whole[right.at(row)];
    }
    return result(in);
  }

 private:
  void fail_null(Evaluation& in, std::uint32_t row) {
    set_null(row);
    in.fail_quietly(row);
  }
  bool is_and_;
  NodePtr left_, right_;
  std::vector<std::uint32_t> open_;
};

class NotNode : public ExpressionNode {
 public:
  explicit NotNode(NodePtr arg) : ExpressionNode(record::Kind::boolean), arg_(std::move(arg)) {}
  Operand evaluate(Evaluation& in, Rows rows) override {
    begin(in);
    auto arg = arg_->evaluate(in, rows);
    for (auto row : rows) {
      if (arg.null(row)) {
        set_null(row);
        in.fail_quietly(row);
        continue;
      }
      out_.valid[row] = 1;
      out_.whole[row] = arg.column->whole[arg.at(row)] == 0;
    }
    return result(in);
  }

 private:
  NodePtr arg_;
};

class NullTestNode : public ExpressionNode {
 public:
  NullTestNode(bool wanted_null, NodePtr arg) : ExpressionNode(record::Kind::boolean), wanted_(wanted_null), arg_(std::move(arg)) {}
  Operand evaluate(Evaluation& in, Rows rows) override {
    begin(in);
    auto arg = arg_->evaluate(in, rows);
    for (auto row : rows) {
      out_.valid[row] = 1;
      out_.whole[row] = arg.null(row) == wanted_;
    }
    return result(in);
  }

 private:
  bool wanted_;
  NodePtr arg_;
};

// WHEN and THEN in turn, each asked only for the rows still undecided; the rows are put together at the end, in order.
class CaseNode : public ExpressionNode {
 public:
  CaseNode(const record::Type& type, std::vector<NodePtr> args) : ExpressionNode(type), args_(std::move(args)) {}
  Operand evaluate(Evaluation& in, Rows rows) override {
    out_.clear();
    choice_.assign(in.rows_end, nothing);
    results_.assign(args_.size(), {});
    std::vector<std::uint32_t> open(rows.begin(), rows.end()), taken, rest;
    std::size_t i = 0;
    for (; i + 1 < args_.size() && !open.empty(); i += 2) {
      auto when = args_[i]->evaluate(in, open);
      taken.clear();
      rest.clear();
      for (auto row : open) (!when.null(row) && when.column->whole[when.at(row)] ? taken : rest).push_back(row);
      if (!taken.empty()) choose(in, i + 1, taken);
      open.swap(rest);
    }
    if (args_.size() % 2 == 1 && !open.empty()) choose(in, args_.size() - 1, open);
    for (std::uint32_t row = 0; row < in.rows_end; ++row) {
      auto from = choice_[row];
      if (from == nothing) out_.append_null();
      else out_.append_from(*results_[from].column, results_[from].at(row));
    }
    return {&out_, 1};
  }

 private:
  static constexpr std::uint32_t nothing = ~0u;
  void choose(Evaluation& in, std::size_t arg, Rows rows) {
    results_[arg] = args_[arg]->evaluate(in, rows);
    for (auto row : rows) choice_[row] = static_cast<std::uint32_t>(arg);
  }
  std::vector<NodePtr> args_;
  std::vector<Operand> results_;
  std::vector<std::uint32_t> choice_;
};

class FieldNode : public ExpressionNode {
 public:
  FieldNode(const record::Type& type, int index, NodePtr arg) : ExpressionNode(type), index_(static_cast<std::size_t>(index)), arg_(std::move(arg)) {}
  Operand evaluate(Evaluation& in, Rows rows) override {
    auto arg = evaluate_apart(*arg_, in, rows);
    return {&arg.column->parts[index_], arg.step};  // parts of a NULL struct are NULL
  }

 private:
  std::size_t index_;
  NodePtr arg_;
};

// a[i] counts from 1, from the end when negative; m['k'] finds the last entry of that key, as a map would.
class ElementNode : public ExpressionNode {
 public:
  ElementNode(const record::Type& type, NodePtr container, NodePtr key)
      : ExpressionNode(type), container_(std::move(container)), key_(std::move(key)) {}
  Operand evaluate(Evaluation& in, Rows rows) override {
    auto container = evaluate_apart(*container_, in, rows);
    auto key = evaluate_apart(*key_, in, rows);
    out_.clear();
    for (auto row : rows) {
      out_.resize(row);
      auto at = container.null(row) || key.null(row) ? -1 : find(*container.column, container.at(row), *key.column, key.at(row));
      if (at < 0) out_.append_null();
      else out_.append_from(container.column->parts.back(), static_cast<std::size_t>(at));
    }
    out_.resize(in.rows_end);
    return {&out_, 1};
  }

 private:
  static std::int64_t find(const Column& c, std::uint32_t row, const Column& key, std::uint32_t key_row) {
    std::int64_t begin = c.begin_of(row), end = c.ends[row];
    if (c.lane == Lane::list) {
      auto i = key.whole[key_row];
      auto at = i > 0 ? begin + i - 1 : end + i;
      return i == 0 || at < begin || at >= end ? -1 : at;
    }
    for (auto at = end - 1; at >= begin; --at)
      if (c.parts[0].text[static_cast<std::size_t>(at)] == key.text[key_row]) return at;
    return -1;
  }
  NodePtr container_, key_;
};

}  // namespace

NodePtr make_node(const sql::Expr& expr) {
  std::vector<NodePtr> args;
  for (auto& arg : expr.args) args.push_back(make_node(*arg));
  switch (expr.op) {
    case ExprOp::column: return std::make_unique<ColumnNode>(expr.type, expr.index);
    case ExprOp::literal: return std::make_unique<LiteralNode>(expr);
    case ExprOp::add:
      if (expr.type.kind() == record::Kind::string) return make_call(expr, std::move(args));
      [[fallthrough]];
    case ExprOp::subtract:
    case ExprOp::multiply:
    case ExprOp::divide:
    case ExprOp::modulo: return make_arithmetic(expr, std::move(args[0]), std::move(args[1]));
    case ExprOp::negate: return make_arithmetic(expr, std::move(args[0]), nullptr);
    case ExprOp::equal:
    case ExprOp::not_equal:
    case ExprOp::less:
    case ExprOp::less_equal:
    case ExprOp::greater:
    case ExprOp::greater_equal:
    case ExprOp::distinct_from:
    case ExprOp::not_distinct_from:
      return make_comparison(expr.op, std::move(args[0]), std::move(args[1]));
    case ExprOp::and_:
    case ExprOp::or_: return std::make_unique<LogicNode>(expr.op == ExprOp::and_, std::move(args[0]), std::move(args[1]));
    case ExprOp::not_: return std::make_unique<NotNode>(std::move(args[0]));
    case ExprOp::is_null:
    case ExprOp::is_not_null: return std::make_unique<NullTestNode>(expr.op == ExprOp::is_null, std::move(args[0]));
    case ExprOp::concat: return make_call(expr, std::move(args));
    case ExprOp::like: return make_like(expr, std::move(args));
    case ExprOp::in: return make_in(expr, std::move(args));
    case ExprOp::between: {
      auto& t = expr.args;
      auto low = make_comparison(ExprOp::greater_equal, make_node(*t[0]), std::move(args[1]));
      auto high = make_comparison(ExprOp::less_equal, std::move(args[0]), std::move(args[2]));
      return std::make_unique<LogicNode>(true, std::move(low), std::move(high));
    }
    case ExprOp::case_: return std::make_unique<CaseNode>(expr.type, std::move(args));
    case ExprOp::cast: return make_cast(expr, std::move(args[0]));
    case ExprOp::field: return std::make_unique<FieldNode>(expr.type, expr.index, std::move(args[0]));
    case ExprOp::element: return std::make_unique<ElementNode>(expr.type, std::move(args[0]), std::move(args[1]));
    case ExprOp::call: return make_call(expr, std::move(args));
  }
  CHECK(false, "unknown operator {}", static_cast<int>(expr.op));
}

Expression::Expression(const sql::ExprPtr& expr) : root_(make_node(*expr)), patched_(expr->type) {}
Expression::Expression(Expression&&) noexcept = default;
Expression& Expression::operator=(Expression&&) noexcept = default;
Expression::~Expression() = default;

Operand Expression::evaluate(std::span<const Column> columns, record::Arena& arena, Rows rows, ErrorLog& errors) {
  auto end = rows.empty() ? 0 : rows.back() + 1;
  failed_.assign(end, 0);
  Evaluation in{columns, arena, errors, &failed_, false, end};
  auto out = root_->evaluate(in, rows);
  if (!in.any_failed) return out;
  patched_.clear();  // rare: the rows that failed become NULL
  std::size_t next = 0;
  for (std::uint32_t row = 0; row < end; ++row) {
    bool asked = next < rows.size() && rows[next] == row;
    next += asked;
    if (!asked || failed_[row]) patched_.append_null();
    else patched_.append_from(*out.column, out.at(row));
  }
  return {&patched_, 1};
}

void keep_true(const Operand& condition, Rows rows, std::vector<std::uint32_t>& kept) {
  kept.clear();
  auto* valid = condition.column->valid.data();
  auto* truth = condition.column->whole.data();
  kept.resize(rows.size());
  std::size_t count = 0;
  for (auto row : rows) {
    kept[count] = row;
    count += static_cast<unsigned>(valid[condition.at(row)]) & static_cast<unsigned>(truth[condition.at(row)] != 0);
  }
  kept.resize(count);
}

void mark_columns(const sql::ExprPtr& expr, std::vector<bool>& used) {
  if (!expr) return;
  if (expr->op == ExprOp::column) used.at(static_cast<std::size_t>(expr->index)) = true;
  for (auto& arg : expr->args) mark_columns(arg, used);
}

}  // namespace tidemill::flow
