#include <compare>

#include "flow/expression_node.h"
#include "flow/value_text.h"

// Comparisons, IN and LIKE. A NULL side makes them false; IS [NOT] DISTINCT FROM alone knows NULL.

namespace tidemill::flow {
namespace {

using record::Column;
using record::Lane;
using sql::ExprOp;

// Decimals of different scale, without overflow: the whole parts first, then the fractions at the larger scale.
int compare_decimals(__int128 a, int a_scale, __int128 b, int b_scale) {
  auto a_unit = power_of_ten(a_scale), b_unit = power_of_ten(b_scale);
  auto a_whole = a / a_unit, b_whole = b / b_unit;
  if (a_whole != b_whole) return a_whole < b_whole ? -1 : 1;
  auto scale = std::max(a_scale, b_scale);
  auto x = (a % a_unit) * power_of_ten(scale - a_scale), y = (b % b_unit) * power_of_ten(scale - b_scale);
  return x < y ? -1 : x > y;
}

bool same(const Column& a, std::size_t a_row, const Column& b, std::size_t b_row);

bool same_items(const Column& a, std::size_t a_row, const Column& b, std::size_t b_row) {
  auto a_begin = a.begin_of(a_row), b_begin = b.begin_of(b_row);
  auto count = a.ends[a_row] - a_begin;
  if (count != b.ends[b_row] - b_begin) return false;
  if (a.lane == Lane::list) {
    for (std::uint32_t i = 0; i < count; ++i)
      if (!same(a.parts[0], a_begin + i, b.parts[0], b_begin + i)) return false;
    return true;
  }
  for (std::uint32_t i = 0; i < count; ++i) {  // maps: any order; quadratic, and maps are small
    std::uint32_t j = 0;
    while (j < count && a.parts[0].text[a_begin + i] != b.parts[0].text[b_begin + j]) ++j;
    if (j == count || !same(a.parts[1], a_begin + i, b.parts[1], b_begin + j)) return false;
  }
  return true;
}

// Equality in depth, where NULL equals NULL.
bool same(const Column& a, std::size_t a_row, const Column& b, std::size_t b_row) {
  if (a.null(a_row) || b.null(b_row)) return a.null(a_row) && b.null(b_row);
  if (a.lane != b.lane) return false;
  switch (a.lane) {
    case Lane::whole: return a.whole[a_row] == b.whole[b_row];
    case Lane::real: return a.real[a_row] == b.real[b_row];
    case Lane::decimal: return compare_decimals(a.decimal[a_row], a.type.scale(), b.decimal[b_row], b.type.scale()) == 0;
    case Lane::text: return a.text[a_row] == b.text[b_row];
    case Lane::list:
    case Lane::map: return same_items(a, a_row, b, b_row);
    case Lane::structure: break;
  }
  for (std::size_t p = 0; p < a.parts.size(); ++p)
    if (!same(a.parts[p], a_row, b.parts[p], b_row)) return false;
  return true;
}

class ComparisonNode : public ExpressionNode {
 public:
  ComparisonNode(ExprOp op, NodePtr left, NodePtr right) : ExpressionNode(record::Kind::boolean), op_(op), left_(std::move(left)), right_(std::move(right)) {}

  Operand evaluate(Evaluation& in, Rows rows) override {
    begin(in);
    auto left = left_->evaluate(in, rows);
    auto right = right_->evaluate(in, rows);
    auto &a = *left.column, &b = *right.column;
    if (op_ == ExprOp::distinct_from || op_ == ExprOp::not_distinct_from) {
      for (auto row : rows) set(row, same(a, left.at(row), b, right.at(row)) == (op_ == ExprOp::not_distinct_from));
    } else if (a.lane != b.lane || a.lane >= Lane::list) {
      for (auto row : rows)
        set(row, !left.null(row) && !right.null(row) && same(a, left.at(row), b, right.at(row)) == (op_ == ExprOp::equal));
    } else {
      by_lane(left, right, rows);
    }
    return result(in);
  }

 private:
  void set(std::uint32_t row, bool v) {
    out_.valid[row] = 1;
    out_.whole[row] = v;
  }

  template <class Test>
  void run(const Operand& left, const Operand& right, Rows rows, Test test) {
    auto* a = left.column->valid.data();
    auto* b = right.column->valid.data();
    for (auto row : rows) {
      auto l = left.at(row), r = right.at(row);
      set(row, (a[l] & b[r]) && test(l, r));
    }
  }

  template <class T>
  void compare(const Operand& left, const Operand& right, Rows rows, const T* a, const T* b) {
    switch (op_) {
      case ExprOp::equal: return run(left, right, rows, [=](auto l, auto r) { return a[l] == b[r]; });
      case ExprOp::not_equal: return run(left, right, rows, [=](auto l, auto r) { return a[l] != b[r]; });
      case ExprOp::less: return run(left, right, rows, [=](auto l, auto r) { return a[l] < b[r]; });
      case ExprOp::less_equal: return run(left, right, rows, [=](auto l, auto r) { return a[l] <= b[r]; });
      case ExprOp::greater: return run(left, right, rows, [=](auto l, auto r) { return a[l] > b[r]; });
      default: return run(left, right, rows, [=](auto l, auto r) { return a[l] >= b[r]; });
    }
  }

  bool holds(int order) const {
    switch (op_) {
      case ExprOp::equal: return order == 0;
      case ExprOp::not_equal: return order != 0;
      case ExprOp::less: return order < 0;
      case ExprOp::less_equal: return order <= 0;
      case ExprOp::greater: return order > 0;
      default: return order >= 0;
    }
  }

  void by_lane(const Operand& left, const Operand& right, Rows rows) {
    auto &a = *left.column, &b = *right.column;
    if (a.lane == Lane::whole) return compare(left, right, rows, a.whole.data(), b.whole.data());
    if (a.lane == Lane::real) return compare(left, right, rows, a.real.data(), b.real.data());
    if (a.lane == Lane::text) return compare(left, right, rows, a.text.data(), b.text.data());
    run(left, right, rows, [&](auto l, auto r) { return holds(compare_decimals(a.decimal[l], a.type.scale(), b.decimal[r], b.type.scale())); });
  }

  ExprOp op_;
  NodePtr left_, right_;
};

class InNode : public ExpressionNode {
 public:
  explicit InNode(std::vector<NodePtr> args) : ExpressionNode(record::Kind::boolean), args_(std::move(args)) {}
  Operand evaluate(Evaluation& in, Rows rows) override {
    begin(in);
    auto needle = args_[0]->evaluate(in, rows);
    open_.clear();
    for (auto row : rows) {
      out_.valid[row] = 1;
      out_.whole[row] = 0;
      if (!needle.null(row)) open_.push_back(row);
    }
    for (std::size_t i = 1; i < args_.size() && !open_.empty(); ++i) {
      auto candidate = args_[i]->evaluate(in, open_);
      std::erase_if(open_, [&](auto row) {
        bool found = !candidate.null(row) && same(*needle.column, needle.at(row), *candidate.column, candidate.at(row));
        if (found) out_.whole[row] = 1;
        return found;
      });
    }
    return result(in);
  }

 private:
  std::vector<NodePtr> args_;
  std::vector<std::uint32_t> open_;
};

std::size_t character_bytes(char lead) {
  auto c = static_cast<unsigned char>(lead);
  return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

struct LikeToken {
  enum What : std::uint8_t { text, one, any } what;
  std::string_view character;
};

// False when the pattern ends in its escape character.
bool like_tokens(std::string_view pattern, std::string_view escape, std::vector<LikeToken>& tokens) {
  tokens.clear();
  for (std::size_t i = 0; i < pattern.size();) {
    auto c = pattern.substr(i, character_bytes(pattern[i]));
    i += c.size();
    if (!escape.empty() && c == escape) {
      if (i >= pattern.size()) return false;
      c = pattern.substr(i, character_bytes(pattern[i]));
      i += c.size();
      tokens.push_back({LikeToken::text, c});
    } else {
      tokens.push_back({c == "%" ? LikeToken::any : c == "_" ? LikeToken::one : LikeToken::text, c});
    }
  }
  return true;
}

// Greedy with one point to come back to: the last %.
bool like(std::string_view text, const std::vector<LikeToken>& tokens) {
  std::size_t t = 0, p = 0, retry_t = 0, retry_p = std::string_view::npos;
  while (t < text.size()) {
    auto bytes = character_bytes(text[t]);
    auto c = text.substr(t, bytes);
    if (p < tokens.size() && tokens[p].what == LikeToken::any) {
      retry_p = ++p;
      retry_t = t;
    } else if (p < tokens.size() && (tokens[p].what == LikeToken::one ? c != "\n" : tokens[p].character == c)) {
      ++p;
      t += bytes;
    } else if (retry_p != std::string_view::npos && text[retry_t] != '\n') {
      retry_t += character_bytes(text[retry_t]);
      t = retry_t;
      p = retry_p;
    } else {
      return false;
    }
  }
  while (p < tokens.size() && tokens[p].what == LikeToken::any) ++p;
  return p == tokens.size();
}

class LikeNode : public ExpressionNode {
 public:
  explicit LikeNode(std::vector<NodePtr> args) : ExpressionNode(record::Kind::boolean), args_(std::move(args)) {}
  Operand evaluate(Evaluation& in, Rows rows) override {
    begin(in);
    auto text = args_[0]->evaluate(in, rows);
    auto pattern = args_[1]->evaluate(in, rows);
    auto escape = args_.size() > 2 ? args_[2]->evaluate(in, rows) : Operand{};
    bool constant = pattern.step == 0 && (!escape.column || escape.step == 0), ready = false, good = true;
    for (auto row : rows) {
      out_.valid[row] = 1;
      out_.whole[row] = 0;
      if (text.null(row) || pattern.null(row)) continue;
      if (!ready) good = like_tokens(pattern.column->text[pattern.at(row)], escape.column ? escape.column->text[escape.at(row)] : std::string_view(), tokens_);
      ready = constant;
      if (good) out_.whole[row] = like(text.column->text[text.at(row)], tokens_);
      else in.fail(row, "LIKE pattern must not end with its escape character");
    }
    return result(in);
  }

 private:
  std::vector<NodePtr> args_;
  std::vector<LikeToken> tokens_;
};

}  // namespace

NodePtr make_comparison(ExprOp op, NodePtr left, NodePtr right) {
  return std::make_unique<ComparisonNode>(op, std::move(left), std::move(right));
}
NodePtr make_in(const sql::Expr&, std::vector<NodePtr> args) { return std::make_unique<InNode>(std::move(args)); }
NodePtr make_like(const sql::Expr&, std::vector<NodePtr> args) { return std::make_unique<LikeNode>(std::move(args)); }

}  // namespace tidemill::flow
