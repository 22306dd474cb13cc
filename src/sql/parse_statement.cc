#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "sql/parser.h"
#include "sql/sql.h"

namespace tidemill::sql {

bool reserved_word(std::string_view word) {
  static const std::set<std::string_view> words = {
      "SELECT", "FROM", "AS", "WHERE", "WITHIN", "WINDOW", "GROUP", "BY", "HAVING", "LIMIT", "OR", "AND", "IN", "NOT", "EXISTS", "BETWEEN",
      "LIKE", "IS", "NULL", "TRUE", "FALSE", "CASE", "WHEN", "THEN", "ELSE", "END", "JOIN", "FULL", "OUTER", "INNER", "LEFT", "RIGHT", "ON",
      "WITH", "VALUES", "CREATE", "INSERT", "INTO", "DROP", "TABLE", "STREAM", "DISTINCT", "CAST", "DESCRIBE", "DELETE", "PRINT", "TERMINATE",
      "TUMBLING", "HOPPING", "DECIMAL", "INTEGER_VALUE"};
  return words.contains(word);
}

namespace {

// What the dialect has and we do not yet; the rest is no statement at all.
const std::set<std::string_view>& known_statements() {
  static const std::set<std::string_view> words = {"ALTER", "ASSERT", "DEFINE", "UNDEFINE", "PAUSE", "RESUME", "PRINT", "RUN", "SPOOL"};
  return words;
}

std::string shown(const Token& token) {
  if (token.kind == TokenKind::string) return "'" + token.text + "'";
  return token.text.substr(0, 60);
}

}  // namespace

const Token& Parser::take() {
  auto& token = peek();
  if (pos_ + 1 < tokens_.size()) ++pos_;
  return token;
}

bool Parser::accept(std::string_view word) {
  if (!at(word)) return false;
  take();
  return true;
}

bool Parser::accept(std::string_view first, std::string_view second) {
  if (!at(first, second)) return false;
  take();
  take();
  return true;
}

void Parser::expect(std::string_view word) {
  if (!accept(word)) fail_expecting("'" + std::string(word) + "'");
}

void Parser::fail_expecting(std::string_view what) const {
  auto& token = peek();
  std::string hint;
  if (token.kind == TokenKind::word && reserved_word(token.text)) hint = fmt::format("\"{}\" is a reserved keyword; to use it as a name, write `{}`", token.text, token.text);
  throw Refusal{syntax_error(token.at, fmt::format("Expecting {}\nSyntax error at or near '{}' at line {}:{}", what, shown(token), token.at.line, token.at.column), hint)};
}

void Parser::fail_unsupported(std::string_view what, Position where, std::string hint) const {
  throw Refusal{fail(Code::unsupported, fmt::format("line {}:{}: {} is not supported yet", where.line, where.column, what), std::move(hint))};
}

std::string Parser::identifier(std::string_view what) {
  if (!peek().identifier() || (peek().kind == TokenKind::word && reserved_word(peek().text))) fail_expecting(what);
  return take().text;
}

std::string Parser::text_literal(std::string_view what) {
  if (peek().kind != TokenKind::string) fail_expecting(what);
  return take().text;
}

std::int64_t Parser::whole_number(std::string_view what) {
  if (peek().kind != TokenKind::integer) fail_expecting(what);
  auto& token = take();
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
  if (error != std::errc()) throw Refusal{syntax_error(token.at, fmt::format("Invalid numeric literal: {}", token.text), "use a smaller number")};
  return value;
}

std::int64_t Parser::duration_ms() {
  static constexpr std::pair<std::string_view, std::int64_t> units[] = {
      {"MILLISECOND", 1}, {"SECOND", 1000}, {"MINUTE", 60'000}, {"HOUR", 3'600'000}, {"DAY", 86'400'000}};
  auto where = peek().at;
  auto count = whole_number("a number");
  for (auto& [unit, ms] : units) {
    if (!at(unit) && !at(std::string(unit) + "S")) continue;
    take();
    if (count > INT64_MAX / ms / 4) throw Refusal{syntax_error(where, "The duration is too long", "use fewer days")};
    return count * ms;
  }
  fail_expecting("DAYS, HOURS, MINUTES, SECONDS or MILLISECONDS");
}

std::vector<ParsedStatement> Parser::statements() {
  std::vector<ParsedStatement> result;
  while (accept(";")) {}
  while (peek().kind != TokenKind::end) {
    auto begin = peek().begin;
    auto parsed = statement();
    if (peek().kind != TokenKind::end) expect(";");
    auto end = tokens_[pos_ > 0 && peek().kind != TokenKind::end ? pos_ - 1 : tokens_.size() - 2].end;
    parsed.text = std::string(text_.substr(begin, end - begin));
    if (!parsed.text.ends_with(';')) parsed.text += ';';
    result.push_back(std::move(parsed));
    while (accept(";")) {}
  }
  return result;
}

ParsedStatement Parser::statement() {
  ParsedStatement result;
  result.at = peek().at;
  result.body = body();
  return result;
}

StatementBody Parser::body() {
  if (accept("CREATE")) return create();
  if (at("SELECT")) return select();
  if (accept("INSERT")) return insert();
  if (at("SHOW") || at("LIST")) return show();
  if (accept("DESCRIBE")) return describe();
  if (accept("DROP")) return drop();
  if (accept("TERMINATE")) return terminate();
  if (at("SET") || at("UNSET")) return set();
  if (accept("EXPLAIN")) return explain();
  if (peek().kind == TokenKind::word && known_statements().contains(peek().text)) {
    if (at("ASSERT") && (peek(1).is("VALUES") || peek(1).is("NULL") || peek(1).is("STREAM") || peek(1).is("TABLE"))) {
      take();
      fail_expecting("TOPIC or SCHEMA");
    }
    fail_unsupported(peek().text, peek().at);
  }
  fail_expecting("a statement (CREATE, SELECT, INSERT, SHOW, DESCRIBE, DROP, TERMINATE, SET, UNSET, EXPLAIN)");
}

SourceKind Parser::source_kind() {
  if (accept("STREAM")) return SourceKind::stream;
  if (accept("TABLE")) return SourceKind::table;
  fail_expecting("{'STREAM', 'TABLE'}");
}

bool Parser::if_not_exists() {
  if (!at("IF")) return false;
  take();
  expect("NOT");
  expect("EXISTS");
  return true;
}

StatementBody Parser::create() {
  auto where = peek().at;
  bool replace = accept("OR", "REPLACE");
  if (at("TYPE")) fail_unsupported("CREATE TYPE", where);
  if (at("SINK") || at("CONNECTOR") || at("SOURCE", "CONNECTOR")) fail_unsupported("CREATE CONNECTOR", where, "create it through the Connect REST interface");
  if (at("SOURCE")) fail_unsupported("CREATE SOURCE STREAM|TABLE", where, "leave SOURCE out");
  auto kind = source_kind();
  bool unless_there = if_not_exists();
  auto name = identifier("the name of the source");
  std::vector<ColumnDefinition> definitions;
  if (at("(")) definitions = columns();
  std::vector<Property> with;
  if (accept("WITH")) with = properties();
  if (definitions.empty() && accept("AS")) {
    CreateAs result{kind, replace, unless_there, std::move(name), std::move(with), {}};
    if (!at("SELECT")) fail_expecting("'SELECT'");
    result.select = select();
    return result;
  }
  return CreateSource{kind, replace, unless_there, std::move(name), std::move(definitions), std::move(with)};
}

std::vector<ColumnDefinition> Parser::columns() {
  expect("(");
  std::vector<ColumnDefinition> result;
  do {
    ColumnDefinition column;
    column.at = peek().at;
    column.name = identifier("the name of a column");
    column.type = type();
    if (at("HEADERS") || at("HEADER")) fail_unsupported("A HEADERS column", peek().at);
    column.primary = accept("PRIMARY");
    if (column.primary) expect("KEY");
    column.key = column.primary || accept("KEY");
    result.push_back(std::move(column));
  } while (accept(","));
  expect(")");
  return result;
}

std::vector<Property> Parser::properties() {
  expect("(");
  std::vector<Property> result;
  while (!at(")")) {
    Property property;
    property.at = peek().at;
    property.name = peek().kind == TokenKind::string ? take().text : identifier("the name of a property");
    std::transform(property.name.begin(), property.name.end(), property.name.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    expect("=");
    property.value = property_value();
    for (auto& other : result) {
      if (other.name == property.name) throw Refusal{syntax_error(property.at, fmt::format("Duplicate property: {}", property.name), "give each property once")};
    }
    result.push_back(std::move(property));
    if (!accept(",")) break;
  }
  expect(")");
  return result;
}

record::Value Parser::property_value() {
  if (peek().kind == TokenKind::string) return take().text;
  if (accept("TRUE")) return true;
  if (accept("FALSE")) return false;
  bool minus = accept("-");
  auto value = whole_number("a literal");
  return minus ? -value : value;
}

StatementBody Parser::insert() {
  expect("INTO");
  InsertValues result;
  auto where = peek().at;
  result.target = identifier("the name of a stream or table");
  if (at("SELECT") || at("WITH")) fail_unsupported("INSERT INTO ... SELECT", where, "create a stream of its own with CREATE STREAM ... AS SELECT");
  if (accept("(")) {
    do result.columns.push_back(identifier("the name of a column"));
    while (accept(","));
    expect(")");
  }
  expect("VALUES");
  expect("(");
  do result.values.push_back(expression());
  while (accept(","));
  expect(")");
  return result;
}

StatementBody Parser::show() {
  static constexpr std::pair<std::string_view, ShowWhat> kinds[] = {
      {"STREAMS", ShowWhat::streams}, {"TABLES", ShowWhat::tables}, {"TOPICS", ShowWhat::topics}, {"QUERIES", ShowWhat::queries},
      {"FUNCTIONS", ShowWhat::functions}, {"PROPERTIES", ShowWhat::properties}, {"TYPES", ShowWhat::types}, {"VARIABLES", ShowWhat::variables}};
  auto where = take().at;
  Show result;
  result.all = accept("ALL");
  for (auto& [word, what] : kinds) {
    if (!accept(word)) continue;
    result.what = what;
    result.extended = accept("EXTENDED");
    return result;
  }
  if (at("CONNECTORS") || at("CONNECTOR") || at("SOURCE") || at("SINK")) fail_unsupported("SHOW CONNECTORS", where, "ask the Connect REST interface");
  fail_expecting("{'STREAMS', 'TABLES', 'TOPICS', 'QUERIES', 'FUNCTIONS', 'PROPERTIES', 'TYPES', 'VARIABLES'}");
}

StatementBody Parser::describe() {
  if (at("FUNCTION") && peek(1).identifier()) {
    take();
    return DescribeFunction{take().text};
  }
  if (at("CONNECTOR") && peek(1).identifier()) fail_unsupported("DESCRIBE CONNECTOR", peek().at, "ask the Connect REST interface");
  if (at("STREAMS") || at("TABLES")) fail_unsupported("DESCRIBE " + peek().text, peek().at, "describe them one by one");
  Describe result;
  if (accept("EXTENDED")) result.extended = true;
  result.name = identifier("the name of a source");
  if (accept("EXTENDED")) result.extended = true;
  return result;
}

StatementBody Parser::drop() {
  if (at("TYPE") || at("CONNECTOR")) fail_unsupported("DROP " + peek().text, peek().at);
  Drop result;
  result.kind = source_kind();
  if (accept("IF")) {
    expect("EXISTS");
    result.if_exists = true;
  }
  result.name = identifier("the name of a source");
  if (accept("DELETE")) {
    expect("TOPIC");
    result.delete_topic = true;
  }
  return result;
}

StatementBody Parser::terminate() {
  if (accept("ALL")) return Terminate{};
  accept("QUERY");
  auto id = identifier("the id of a query");
  std::transform(id.begin(), id.end(), id.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return Terminate{id};
}

StatementBody Parser::set() {
  bool unset = take().text == "UNSET";
  auto name = text_literal("the name of a property in quotes");
  if (unset) return UnsetProperty{name};
  expect("=");
  return SetProperty{name, text_literal("the value in quotes")};
}

StatementBody Parser::explain() {
  Explain result;
  bool statement_follows = at("SELECT") || at("CREATE") || at("INSERT");
  if (!statement_follows) {
    result.id = identifier("a statement or the id of a query");
    return result;
  }
  Level level(*this);
  auto begin = peek().begin;
  auto inner = statement();
  inner.text = std::string(text_.substr(begin, tokens_[pos_ > 0 ? pos_ - 1 : 0].end - begin)) + ";";
  result.statement = std::make_shared<const ParsedStatement>(std::move(inner));
  return result;
}

Result<std::vector<ParsedStatement>> parse(std::string_view text) {
  if (text.size() > text_bytes_max) return fail(Code::too_large, fmt::format("The statement has {} bytes; at most {} are allowed", text.size(), text_bytes_max), "send several requests");
  TRY_ASSIGN(tokens, tokenize(text));
  try {
    return Parser(text, std::move(tokens)).statements();
  } catch (Refusal& refusal) {
    return std::move(refusal.error);
  }
}

}  // namespace tidemill::sql
