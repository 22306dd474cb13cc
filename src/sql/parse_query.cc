#include <fmt/core.h>

#include "sql/parser.h"
#include "sql/sql.h"

namespace tidemill::sql {

// An alias may follow without AS; words that begin the next clause are none.
std::string Parser::alias() {
  if (accept("AS")) return identifier("an alias");
  auto& token = peek();
  if (token.kind == TokenKind::quoted) return take().text;
  if (token.kind != TokenKind::word || reserved_word(token.text)) return {};
  bool clause = at("PARTITION", "BY") || at("EMIT", "CHANGES") || at("EMIT", "FINAL") || at("ORDER", "BY") || token.is("UNION");
  return clause ? std::string() : take().text;
}

Select Parser::select() {
  expect("SELECT");
  if (at("DISTINCT")) fail_unsupported("SELECT DISTINCT", peek().at, "use GROUP BY");
  Select result;
  do result.items.push_back(item());
  while (accept(","));
  expect("FROM");
  result.from_at = peek().at;
  if (at("(")) fail_unsupported("A subquery", peek().at, "create a stream or table for it first");
  result.from = identifier("the name of a stream or table");
  result.alias = alias();
  if (result.alias.empty()) result.alias = result.from;
  if (at("JOIN") || at("INNER") || at("LEFT") || at("RIGHT") || at("FULL")) fail_unsupported("JOIN", peek().at);
  if (at(",")) fail_unsupported("Reading from several sources", peek().at);
  if (at("WINDOW")) result.window = window();
  if (accept("WHERE")) result.where = expression();
  if (accept("GROUP", "BY")) result.group_by = key_expressions("GROUP BY");
  if (accept("PARTITION", "BY")) result.partition_by = key_expressions("PARTITION BY");
  result.having_at = peek().at;
  if (accept("HAVING")) result.having = expression();
  if (at("WINDOW")) throw Refusal{syntax_error(peek().at, "The WINDOW clause is in the wrong place", "write it right after FROM, before WHERE and GROUP BY")};
  if (at("ORDER", "BY")) fail_unsupported("ORDER BY", peek().at);
  if (at("UNION")) fail_unsupported("UNION", peek().at);
  emit(result);
  return result;
}

void Parser::emit(Select& select) {
  if (accept("EMIT")) {
    if (at("FINAL")) fail_unsupported("EMIT FINAL", peek().at, "use EMIT CHANGES");
    expect("CHANGES");
    select.emit_changes = true;
  }
  if (accept("LIMIT")) select.limit = whole_number("a number of rows");
}

SelectItem Parser::item() {
  SelectItem result;
  result.at = peek().at;
  if (accept("*")) {
    result.star = true;
    return result;
  }
  if (peek().identifier() && peek(1).is(".") && peek(2).is("*")) {
    result.star = true;
    result.qualifier = identifier();
    take();
    take();
    return result;
  }
  result.expr = expression();
  if (accept("->", "*")) {
    result.star = true;
    return result;
  }
  result.alias = alias();
  return result;
}

WindowClause Parser::window() {
  WindowClause result;
  result.at = take().at;
  if (at("HOPPING") || at("SESSION")) fail_unsupported(fmt::format("WINDOW {}", peek().text), peek().at, "WINDOW TUMBLING (SIZE n unit) is");
  if (!at("TUMBLING") && peek().identifier() && peek(1).is("TUMBLING")) take();  // a window's name, which nothing refers to
  if (!at("TUMBLING")) fail_expecting("{'TUMBLING', 'HOPPING', 'SESSION'}");
  take();
  expect("(");
  expect("SIZE");
  result.size_ms = duration_ms();
  while (accept(",")) {
    if (accept("RETENTION")) {
      result.retention_ms = duration_ms();
    } else if (accept("GRACE")) {
      expect("PERIOD");
      result.grace_ms = duration_ms();
    } else {
      fail_expecting("{'RETENTION', 'GRACE'}");
    }
  }
  expect(")");
  return result;
}

// e, e, ... or (e, e, ...).
std::vector<AstPtr> Parser::key_expressions(std::string_view clause) {
  std::vector<AstPtr> result;
  if (at("(", ")")) throw Refusal{syntax_error(peek().at, fmt::format("{} requires at least one expression", clause), "name a column")};
  auto start = pos_;
  if (accept("(")) {
    do result.push_back(expression());
    while (accept(","));
    if (result.size() > 1) {
      expect(")");
      return result;
    }
    pos_ = start;  // one expression in parentheses may go on: (a) + b
    result.clear();
  }
  do result.push_back(expression());
  while (accept(","));
  return result;
}

}  // namespace tidemill::sql
