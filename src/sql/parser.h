// Recursive descent over tokens. Private to the room: sql.h has the door.
//
// Inside the room a failed parse or bind leaves by a Refusal, which the doors catch; nothing else throws and nothing lets it out.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sql/ast.h"
#include "sql/lexer.h"

namespace tidemill::sql {

struct Refusal {
  Error error;
};

class Parser {
 public:
  Parser(std::string_view text, std::vector<Token> tokens) : text_(text), tokens_(std::move(tokens)) {}

  // All statements of the text. Throws Refusal.
  std::vector<ParsedStatement> statements();

 private:
  // tokens
  const Token& peek(std::size_t ahead = 0) const { return tokens_[std::min(pos_ + ahead, tokens_.size() - 1)]; }
  const Token& take();
  bool at(std::string_view word) const { return peek().is(word); }
  bool at(std::string_view first, std::string_view second) const { return at(first) && peek(1).is(second); }
  bool accept(std::string_view word);
  bool accept(std::string_view first, std::string_view second);
  void expect(std::string_view word);
  [[noreturn]] void fail_expecting(std::string_view what) const;
  [[noreturn]] void fail_unsupported(std::string_view what, Position where, std::string hint = {}) const;
  std::string identifier(std::string_view what = "identifier");
  std::string alias();  // empty when there is none
  std::string text_literal(std::string_view what);
  std::int64_t whole_number(std::string_view what);
  std::int64_t duration_ms();

  // statements
  ParsedStatement statement();
  StatementBody body();
  StatementBody create();
  StatementBody insert();
  StatementBody show();
  StatementBody describe();
  StatementBody drop();
  StatementBody terminate();
  StatementBody set();
  StatementBody explain();
  SourceKind source_kind();
  bool if_not_exists();
  std::vector<ColumnDefinition> columns();
  std::vector<Property> properties();
  record::Value property_value();

  // queries
  Select select();
  SelectItem item();
  WindowClause window();
  std::vector<AstPtr> key_expressions(std::string_view clause);
  void emit(Select& select);

  // expressions
  AstPtr expression();
  AstPtr conjunction();
  AstPtr negation();
  AstPtr predicate();
  AstPtr predicate_tail(AstPtr left);
  AstPtr like(AstPtr left, Position where);
  AstPtr binary(int level);
  AstPtr signed_value();
  AstPtr postfix();
  AstPtr primary();
  AstPtr number();
  AstPtr column_or_call();
  AstPtr call(std::string name, Position where);
  AstPtr case_expression();
  AstPtr cast_expression();
  AstPtr constructor();
  AstPtr node(ExprOp op, Position where, std::vector<AstPtr> args) const;
  AstPtr finish(Ast ast) const;
  AstPtr negate_if(bool negated, AstPtr ast, Position where) const;

  // types
  record::Type type();
  record::Type simple_type();
  record::Type decimal_type();
  record::Type struct_type();

  // Counts how deep the parser has gone.
  struct Level;

  std::string_view text_;
  std::vector<Token> tokens_;
  std::size_t pos_ = 0;
  int depth_ = 0;
  int array_suffixes_ = 0;  // T ARRAY ARRAY ..., counted over the whole text
};

struct Parser::Level {
  explicit Level(Parser& parser);
  ~Level() { --parser_.depth_; }
  Parser& parser_;
};

bool reserved_word(std::string_view word);

}  // namespace tidemill::sql
