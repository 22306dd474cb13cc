#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "sql/parser.h"
#include "sql/sql.h"

namespace tidemill::sql {

using record::Kind;
using record::Type;

Parser::Level::Level(Parser& parser) : parser_(parser) {
  if (++parser_.depth_ > expression_height_max) {
    --parser_.depth_;
    throw Refusal{syntax_error(parser_.peek().at, fmt::format("Nested more than {} levels deep", expression_height_max), "simplify the expression, or split the query in two")};
  }
}

AstPtr Parser::finish(Ast ast) const {
  for (auto& arg : ast.args) ast.height = std::max(ast.height, arg->height + 1);
  if (ast.height > expression_height_max) {
    throw Refusal{syntax_error(ast.at, fmt::format("Nested more than {} levels deep", expression_height_max), "use IN for long chains of OR, or split the query in two")};
  }
  return std::make_shared<const Ast>(std::move(ast));
}

AstPtr Parser::node(ExprOp op, Position where, std::vector<AstPtr> args) const {
  Ast ast;
  ast.op = op;
  ast.at = where;
  ast.args = std::move(args);
  return finish(std::move(ast));
}

AstPtr Parser::negate_if(bool negated, AstPtr ast, Position where) const {
  return negated ? node(ExprOp::not_, where, {std::move(ast)}) : ast;
}

AstPtr Parser::expression() {
  Level level(*this);
  auto left = conjunction();
  while (at("OR")) {
    auto where = take().at;
    left = node(ExprOp::or_, where, {left, conjunction()});
  }
  return left;
}

AstPtr Parser::conjunction() {
  auto left = negation();
  while (at("AND")) {
    auto where = take().at;
    left = node(ExprOp::and_, where, {left, negation()});
  }
  return left;
}

AstPtr Parser::negation() {
  if (!at("NOT")) return predicate();
  Level level(*this);
  auto where = take().at;
  return node(ExprOp::not_, where, {negation()});
}

// One value, then at most one predicate on it.
AstPtr Parser::predicate() { return predicate_tail(binary(0)); }

AstPtr Parser::predicate_tail(AstPtr left) {
  static constexpr std::pair<std::string_view, ExprOp> comparisons[] = {
      {"=", ExprOp::equal}, {"<>", ExprOp::not_equal}, {"<", ExprOp::less},
      {"<=", ExprOp::less_equal}, {">", ExprOp::greater}, {">=", ExprOp::greater_equal}};
  auto where = peek().at;
  for (auto& [symbol, op] : comparisons) {
    if (accept(symbol)) return node(op, where, {left, binary(0)});
  }
  if (accept("IS")) {
    bool negated = accept("NOT");
    if (accept("NULL")) return node(negated ? ExprOp::is_not_null : ExprOp::is_null, where, {left});
    expect("DISTINCT");
    expect("FROM");
    return node(negated ? ExprOp::not_distinct_from : ExprOp::distinct_from, where, {left, binary(0)});
  }
  bool negated = at("NOT") && (peek(1).is("IN") || peek(1).is("LIKE") || peek(1).is("BETWEEN"));
  if (negated) take();
  if (accept("BETWEEN")) {
    auto low = binary(0);
    expect("AND");
    return negate_if(negated, node(ExprOp::between, where, {left, low, binary(0)}), where);
  }
  if (accept("LIKE")) return negate_if(negated, like(left, where), where);
  if (!accept("IN")) return left;
  expect("(");
  std::vector<AstPtr> args{left};
  do args.push_back(expression());
  while (accept(","));
  expect(")");
  return negate_if(negated, node(ExprOp::in, where, std::move(args)), where);
}

AstPtr Parser::like(AstPtr left, Position where) {
  std::vector<AstPtr> args{std::move(left), binary(0)};
  if (accept("ESCAPE")) {
    auto at_escape = peek().at;
    auto escape = text_literal("a text of one character after ESCAPE");
    Ast literal;
    literal.at = at_escape;
    literal.type = Kind::string;
    literal.value = escape;
    args.push_back(finish(std::move(literal)));
  }
  return node(ExprOp::like, where, std::move(args));
}

// || binds loosest, then + and -, then * / %.
AstPtr Parser::binary(int level) {
  if (level == 3) return signed_value();
  auto left = binary(level + 1);
  for (;;) {
    auto where = peek().at;
    ExprOp op;
    if (level == 0 && at("||")) op = ExprOp::concat;
    else if (level == 1 && at("+")) op = ExprOp::add;
    else if (level == 1 && at("-")) op = ExprOp::subtract;
    else if (level == 2 && at("*")) op = ExprOp::multiply;
    else if (level == 2 && at("/")) op = ExprOp::divide;
    else if (level == 2 && at("%")) op = ExprOp::modulo;
    else return left;
    take();
    left = node(op, where, {left, binary(level + 1)});
  }
}

AstPtr Parser::signed_value() {
  if (!at("-") && !at("+")) return postfix();
  Level level(*this);
  auto where = peek().at;
  bool minus = take().text == "-";
  auto value = signed_value();
  return minus ? node(ExprOp::negate, where, {value}) : value;
}

AstPtr Parser::postfix() {
  auto value = primary();
  for (;;) {
    auto where = peek().at;
    if (accept("[")) {
      value = node(ExprOp::element, where, {value, expression()});
      expect("]");
    } else if (at("->") && !peek(1).is("*")) {
      take();
      Ast field;
      field.op = ExprOp::field;
      field.at = where;
      field.name = identifier("the name of a field");
      field.args = {value};
      value = finish(std::move(field));
    } else if (at("AT", "TIME")) {
      fail_unsupported("AT TIME ZONE", where);
    } else {
      return value;
    }
  }
}

AstPtr Parser::primary() {
  auto& token = peek();
  switch (token.kind) {
    case TokenKind::integer:
    case TokenKind::decimal:
    case TokenKind::floating: return number();
    case TokenKind::string: {
      Ast literal;
      literal.at = token.at;
      literal.type = Kind::string;
      literal.value = take().text;
      return finish(std::move(literal));
    }
    case TokenKind::quoted: return column_or_call();
    case TokenKind::end: fail_expecting("an expression");
    case TokenKind::symbol: break;
    case TokenKind::word: {
      if (at("CASE")) return case_expression();
      if (at("CAST")) return cast_expression();
      if (at("NULL") || at("TRUE") || at("FALSE")) {
        Ast literal;
        literal.at = token.at;
        if (!at("NULL")) literal.type = Kind::boolean, literal.value = at("TRUE");
        take();
        return finish(std::move(literal));
      }
      if ((at("ARRAY") && peek(1).is("[")) || ((at("MAP") || at("STRUCT")) && peek(1).is("("))) return constructor();
      if (reserved_word(token.text)) fail_expecting("an expression");
      return column_or_call();
    }
  }
  if (!at("(")) fail_expecting("an expression");
  take();
  auto inside = expression();
  if (at(",")) fail_unsupported("A list of values here", peek().at, "lambda arguments and row values are not supported yet");
  expect(")");
  return inside;
}

namespace {

// "12.50" -> DECIMAL(4, 2) with 1250.
void set_decimal(Ast& literal, const std::string& text) {
  auto dot = text.find('.');
  auto scale = static_cast<int>(text.size() - dot - 1);
  record::Decimal value;
  int digits = 0;
  for (char c : text) {
    if (c == '.') continue;
    if (digits > 0 || c != '0') ++digits;
    if (digits > 38 || scale > 38) throw Refusal{syntax_error(literal.at, "A DECIMAL has at most 38 digits", "write it with an exponent for a DOUBLE")};
    value.unscaled = value.unscaled * 10 + (c - '0');
  }
  literal.type = Type::decimal(std::max({digits, scale, 1}), scale);
  literal.value = value;
}

}  // namespace

AstPtr Parser::number() {
  auto& token = take();
  Ast literal;
  literal.at = token.at;
  if (token.kind == TokenKind::decimal) {
    set_decimal(literal, token.text);
  } else if (token.kind == TokenKind::floating) {
    literal.type = Kind::double_;
    auto value = std::strtod(token.text.c_str(), nullptr);
    if (std::isinf(value)) throw Refusal{syntax_error(token.at, fmt::format("Invalid numeric literal: {}", token.text), "use a smaller exponent")};
    literal.value = value;
  } else {
    std::int64_t value = 0;
    auto [end, error] = std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
    if (error != std::errc()) throw Refusal{syntax_error(token.at, fmt::format("Invalid numeric literal: {}", token.text), "write it with a decimal point or an exponent")};
    literal.type = value > INT32_MAX ? Kind::bigint : Kind::integer;
    literal.value = value;
  }
  return finish(std::move(literal));
}

AstPtr Parser::column_or_call() {
  auto where = peek().at;
  bool word = peek().kind == TokenKind::word;
  auto& next = peek(1);
  if (word && next.kind == TokenKind::string && (at("DATE") || at("TIME") || at("TIMESTAMP"))) {
    Ast cast;
    cast.op = ExprOp::cast;
    cast.at = where;
    cast.type = at("DATE") ? Kind::date : at("TIME") ? Kind::time : Kind::timestamp;
    take();
    cast.args = {primary()};
    return finish(std::move(cast));
  }
  if (next.is("(")) {
    auto name = take().text;
    if (!word) std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return call(std::move(name), where);
  }
  if (next.is("=>")) fail_unsupported("A lambda", where);
  Ast column;
  column.op = ExprOp::column;
  column.at = where;
  column.name = identifier();
  if (at(".") && peek(1).identifier()) {
    take();
    column.qualifier = std::move(column.name);
    column.name = take().text;
  }
  return finish(std::move(column));
}

AstPtr Parser::call(std::string name, Position where) {
  expect("(");
  Ast ast;
  ast.op = ExprOp::call;
  ast.at = where;
  ast.name = std::move(name);
  if (accept("*")) {
    ast.star = true;
  } else if (!at(")")) {
    do ast.args.push_back(expression());
    while (accept(","));
  }
  if (at("=>")) fail_unsupported("A lambda", peek().at);
  expect(")");
  return finish(std::move(ast));
}

// CASE x WHEN v becomes CASE WHEN x = v: the operand is shared, and the binder counts what it copies.
AstPtr Parser::case_expression() {
  auto where = take().at;
  AstPtr operand = at("WHEN") ? nullptr : expression();
  std::vector<AstPtr> args;
  while (at("WHEN")) {
    auto at_when = take().at;
    auto condition = expression();
    args.push_back(operand ? node(ExprOp::equal, at_when, {operand, condition}) : condition);
    expect("THEN");
    args.push_back(expression());
  }
  if (args.empty()) fail_expecting("WHEN");
  if (accept("ELSE")) args.push_back(expression());
  expect("END");
  return node(ExprOp::case_, where, std::move(args));
}

AstPtr Parser::cast_expression() {
  Ast cast;
  cast.op = ExprOp::cast;
  cast.at = take().at;
  expect("(");
  cast.args = {expression()};
  expect("AS");
  cast.type = type();
  expect(")");
  return finish(std::move(cast));
}

AstPtr Parser::constructor() {
  Ast ast;
  ast.op = ExprOp::call;
  ast.at = peek().at;
  ast.name = take().text;
  auto close = take().text == "[" ? "]" : ")";
  while (!at(close)) {
    if (ast.name == "STRUCT") ast.names.push_back(identifier("the name of a field"));
    if (ast.name == "MAP") ast.args.push_back(expression());
    if (ast.name != "ARRAY") expect(":=");
    ast.args.push_back(expression());
    if (!accept(",")) break;
  }
  expect(close);
  ast.constructor = true;
  return finish(std::move(ast));
}

Type Parser::type() {
  Level level(*this);
  auto result = simple_type();
  while (at("ARRAY")) {
    if (++array_suffixes_ > expression_height_max) throw Refusal{syntax_error(peek().at, fmt::format("Nested more than {} levels deep", expression_height_max), "simplify the type")};
    take();
    result = Type::array(result);
  }
  return result;
}

Type Parser::simple_type() {
  static constexpr std::pair<std::string_view, Kind> plain[] = {
      {"BOOLEAN", Kind::boolean}, {"INT", Kind::integer}, {"INTEGER", Kind::integer}, {"BIGINT", Kind::bigint}, {"DOUBLE", Kind::double_},
      {"BYTES", Kind::bytes}, {"DATE", Kind::date}, {"TIME", Kind::time}, {"TIMESTAMP", Kind::timestamp}};
  for (auto& [name, kind] : plain) {
    if (accept(name)) return kind;
  }
  if (at("STRING") || at("VARCHAR")) {
    take();
    if (accept("(")) {  // a length, which has no effect
      if (peek().kind != TokenKind::integer && !at("STRING")) fail_expecting("{'STRING', INTEGER_VALUE}");
      take();
      expect(")");
    }
    return Kind::string;
  }
  if (at("DECIMAL") || at("DEC") || at("NUMERIC")) return decimal_type();
  if (accept("ARRAY")) {
    expect("<");
    auto element = type();
    expect(">");
    return Type::array(element);
  }
  if (accept("MAP")) {
    expect("<");
    auto where = peek().at;
    if (type().kind() != Kind::string) fail_unsupported("A MAP whose keys are not STRING", where, "JSON only supports MAP types with STRING keys");
    expect(",");
    auto value = type();
    expect(">");
    return Type::map(value);
  }
  if (at("STRUCT")) return struct_type();
  if (peek().identifier() && !reserved_word(peek().text)) {
    throw Refusal{fail(Code::invalid, fmt::format("line {}:{}: Cannot resolve unknown type: {}", peek().at.line, peek().at.column, peek().text),
                       "the types are BOOLEAN, INT, BIGINT, DOUBLE, DECIMAL(p, s), STRING, BYTES, DATE, TIME, TIMESTAMP, ARRAY<T>, MAP<STRING, T>, STRUCT<name T, ...>")};
  }
  fail_expecting("a type");
}

Type Parser::decimal_type() {
  take();
  expect("(");
  auto where = peek().at;
  auto precision = whole_number("the precision");
  std::int64_t scale = 0;
  if (accept(",")) scale = whole_number("the scale");
  expect(")");
  if (precision < 1 || precision > 38) throw Refusal{syntax_error(where, fmt::format("DECIMAL precision must be between 1 and 38: DECIMAL({},{})", precision, scale), "choose a precision from 1 to 38")};
  if (scale < 0 || scale > precision) throw Refusal{syntax_error(where, fmt::format("DECIMAL precision must be >= scale: DECIMAL({},{})", precision, scale), "choose a scale from 0 to the precision")};
  return Type::decimal(static_cast<int>(precision), static_cast<int>(scale));
}

Type Parser::struct_type() {
  take();
  expect("<");
  std::vector<record::Field> fields;
  while (!at(">")) {
    auto where = peek().at;
    auto name = identifier("the name of a field");
    for (auto& field : fields) {
      if (field.name == name) throw Refusal{syntax_error(where, fmt::format("Duplicate field names found in STRUCT: '{}'", name), "give each field its own name")};
    }
    fields.push_back({std::move(name), type()});
    if (!accept(",")) break;
  }
  expect(">");
  return Type::structure(std::move(fields));
}

}  // namespace tidemill::sql
