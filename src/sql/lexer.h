// Text -> tokens. Comments and spaces are gone, identifiers folded, strings unescaped; every token knows its place.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sql/ast.h"

namespace tidemill::sql {

enum class TokenKind : std::uint8_t { word, quoted, string, integer, decimal, floating, symbol, end };

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;       // word: upper case; quoted and string: unescaped; others: as written
  Position at;
  std::size_t begin = 0;  // bytes in the text
  std::size_t end = 0;
  bool is(std::string_view word_or_symbol) const { return (kind == TokenKind::word || kind == TokenKind::symbol) && text == word_or_symbol; }
  bool identifier() const { return kind == TokenKind::word || kind == TokenKind::quoted; }
};

inline constexpr std::size_t tokens_max = 250'000;

// The last token is always `end`.
Result<std::vector<Token>> tokenize(std::string_view text);

Error syntax_error(Position at, std::string_view what, std::string hint = {});

}  // namespace tidemill::sql
