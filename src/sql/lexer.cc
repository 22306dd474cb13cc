#include "sql/lexer.h"

#include <fmt/core.h>

#include <array>

#include "sql/sql.h"

namespace tidemill::sql {
namespace {

bool digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool word_part(char c) { return letter(c) || digit(c) || c == '@'; }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
bool space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }

constexpr std::array<std::string_view, 8> double_symbols = {"<=", ">=", "<>", "!=", "||", "->", ":=", "=>"};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<std::vector<Token>> run() {
    for (;;) {
      TRY(skip());
      if (tokens_.size() >= tokens_max) return syntax_error(at_, "The statement is too long", "split it into several requests");
      if (pos_ == text_.size()) break;
      TRY(next());
    }
    add(TokenKind::end, pos_, "<EOF>");
    return std::move(tokens_);
  }

 private:
  char peek(std::size_t ahead = 0) const { return pos_ + ahead < text_.size() ? text_[pos_ + ahead] : '\0'; }
  void advance(std::size_t n = 1) {
    for (; n > 0 && pos_ < text_.size(); --n, ++pos_) {
      if (text_[pos_] == '\n') ++at_.line, at_.column = 1;
      else if ((static_cast<unsigned char>(text_[pos_]) & 0xC0) != 0x80) ++at_.column;  // columns count characters
    }
  }
  // The token from `begin`, whose place was noted in start_, to here.
  void add(TokenKind kind, std::size_t begin, std::string text) { tokens_.push_back({kind, std::move(text), start_, begin, pos_}); }

  Result<void> skip() {
    for (;;) {
      if (space(peek()) && pos_ < text_.size()) {
        advance();
      } else if (peek() == '-' && peek(1) == '-') {
        while (pos_ < text_.size() && peek() != '\n') advance();
      } else if (peek() == '/' && peek(1) == '*') {
        auto open = at_;
        advance(2);
        while (pos_ < text_.size() && !(peek() == '*' && peek(1) == '/')) advance();
        if (pos_ == text_.size()) return syntax_error(open, "The comment is not closed", "end it with */");
        advance(2);
      } else {
        start_ = at_;
        return {};
      }
    }
  }

  Result<void> next() {
    char c = peek();
    if (letter(c)) return word();
    if (digit(c) || (c == '.' && digit(peek(1)))) return number();
    if (c == '\'') return quote(TokenKind::string);
    if (c == '"' || c == '`') return quote(TokenKind::quoted);
    if (c == '$' && peek(1) == '{') {
      return syntax_error(at_, "Variables are not supported yet", "write the value in place of ${...}");
    }
    return symbol();
  }

  Result<void> word() {
    auto begin = pos_;
    while (word_part(peek())) advance();
    std::string folded(text_.substr(begin, pos_ - begin));
    for (auto& c : folded) c = upper(c);
    add(TokenKind::word, begin, std::move(folded));
    return {};
  }

  // Digits, a decimal, a number with exponent, or an identifier that begins with digits.
  Result<void> number() {
    auto begin = pos_;
    auto kind = TokenKind::integer;
    while (digit(peek())) advance();
    if (peek() == '.' && digit(peek(1))) kind = TokenKind::decimal, advance();
    else if (peek() == '.' && !letter(peek(1))) kind = TokenKind::decimal, advance();
    while (digit(peek())) advance();
    bool sign = peek(1) == '+' || peek(1) == '-';
    if (upper(peek()) == 'E' && digit(peek(sign ? 2 : 1))) {
      kind = TokenKind::floating;
      advance(sign ? 2 : 1);
      while (digit(peek())) advance();
    }
    if (!word_part(peek())) {
      add(kind, begin, std::string(text_.substr(begin, pos_ - begin)));
      return {};
    }
    if (kind != TokenKind::integer) return unexpected();
    while (word_part(peek())) advance();
    std::string folded(text_.substr(begin, pos_ - begin));
    for (auto& c : folded) c = upper(c);
    add(TokenKind::quoted, begin, std::move(folded));
    return {};
  }

  Result<void> quote(TokenKind kind) {
    auto begin = pos_;
    char mark = peek();
    std::string value;
    for (advance();; advance()) {
      if (pos_ == text_.size()) return syntax_error(start_, "The quotation is not closed", fmt::format("end it with {}", mark));
      if (peek() == mark) {
        if (peek(1) != mark) break;
        advance();
      }
      value.push_back(peek());
    }
    advance();
    if (kind == TokenKind::quoted && value.empty()) return syntax_error(start_, "An identifier cannot be empty");
    add(kind, begin, std::move(value));
    return {};
  }

  Result<void> symbol() {
    auto begin = pos_;
    for (auto two : double_symbols) {
      if (text_.substr(pos_, 2) == two) {
        advance(2);
        add(TokenKind::symbol, begin, two == "!=" ? "<>" : std::string(two));
        return {};
      }
    }
    if (std::string_view("()[]<>,.;=+-*/%").find(peek()) == std::string_view::npos) return unexpected();
    advance();
    add(TokenKind::symbol, begin, std::string(text_.substr(begin, 1)));
    return {};
  }

  Error unexpected() const {
    auto c = static_cast<unsigned char>(peek());
    auto shown = c >= 0x20 && c < 0x7F ? fmt::format("'{}'", peek()) : fmt::format("\\x{:02X}", c);
    return syntax_error(at_, fmt::format("Unexpected character {} at line {}:{}", shown, at_.line, at_.column), "quote names as `name` and texts as 'text'");
  }

  std::string_view text_;
  std::size_t pos_ = 0;
  Position at_, start_;
  std::vector<Token> tokens_;
};

}  // namespace

Error syntax_error(Position at, std::string_view what, std::string hint) {
  return fail(Code::invalid, fmt::format("line {}:{}: Syntax Error\n{}", at.line, at.column, what), std::move(hint));
}

Result<std::vector<Token>> tokenize(std::string_view text) { return Lexer(text).run(); }

}  // namespace tidemill::sql
