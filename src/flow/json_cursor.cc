#include "flow/json_cursor.h"

#include <emmintrin.h>

#include <string>

#include "flow/value_text.h"

namespace tidemill::flow {
namespace {

constexpr int depth_max = 500;

bool hex4(const char* p, std::uint32_t& out) {
  out = 0;
  for (int i = 0; i < 4; ++i) {
    char c = p[i];
    int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (v < 0) return false;
    out = out << 4 | static_cast<std::uint32_t>(v);
  }
  return true;
}

char* put_utf8(char* to, std::uint32_t code) {
  if (code < 0x80) { *to++ = static_cast<char>(code); return to; }
  if (code < 0x800) {
    *to++ = static_cast<char>(0xC0 | code >> 6);
  } else {
    if (code < 0x10000) {
      *to++ = static_cast<char>(0xE0 | code >> 12);
    } else {
      *to++ = static_cast<char>(0xF0 | code >> 18);
      *to++ = static_cast<char>(0x80 | (code >> 12 & 0x3F));
    }
    *to++ = static_cast<char>(0x80 | (code >> 6 & 0x3F));
  }
  *to++ = static_cast<char>(0x80 | (code & 0x3F));
  return to;
}

// Writes the text of `raw` at `to`, which has room for raw.size() bytes: an escape is never shorter than what it stands for.
char* unescape_to(std::string_view raw, char* to) {
  for (std::size_t i = 0; i < raw.size();) {
    if (raw[i] != '\\') { *to++ = raw[i++]; continue; }
    char c = raw[i + 1];
    i += 2;
    switch (c) {
      case 'n': *to++ = '\n'; break;
      case 't': *to++ = '\t'; break;
      case 'r': *to++ = '\r'; break;
      case 'b': *to++ = '\b'; break;
      case 'f': *to++ = '\f'; break;
      case 'u': {
        std::uint32_t code = 0, low = 0;
        hex4(raw.data() + i, code);
        i += 4;
        if (code >= 0xD800 && code < 0xE000) {
          if (code >= 0xDC00 || raw.size() - i < 6 || raw[i] != '\\' || raw[i + 1] != 'u' || !hex4(raw.data() + i + 2, low) ||
              low < 0xDC00 || low > 0xDFFF)
            return nullptr;
          i += 6;
          code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        }
        to = put_utf8(to, code);
        break;
      }
      default: *to++ = c;  // " \ /
    }
  }
  return to;
}

}  // namespace

bool JsonCursor::fail(const char* why) {
  if (!error_) error_ = why;
  at_ = end_;
  return false;
}

void JsonCursor::blanks() {
  while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\t' || *at_ == '\r')) ++at_;
}

JsonCursor::Token JsonCursor::peek() {
  blanks();
  if (at_ == end_) return Token::bad;
  switch (*at_) {
    case '{': return Token::object;
    case '[': return Token::array;
    case '"': return Token::string;
    case 't': return Token::true_;
    case 'f': return Token::false_;
    case 'n': return Token::null;
    case '-': return Token::number;
    default: return *at_ >= '0' && *at_ <= '9' ? Token::number : Token::bad;
  }
}

bool JsonCursor::open(char bracket) {
  blanks();
  if (at_ == end_ || *at_ != bracket) return fail("unexpected token");
  if (++depth_ > depth_max) return fail("nested too deeply");
  ++at_;
  return true;
}

bool JsonCursor::field(String& name, bool first) {
  blanks();
  if (at_ < end_ && *at_ == '}') { ++at_; --depth_; return false; }
  if (!first) {
    if (at_ == end_ || *at_ != ',') return fail("expected , or } in an object");
    ++at_;
    blanks();
  }
  if (!string(name)) return fail("expected a field name");
  blanks();
  if (at_ == end_ || *at_ != ':') return fail("expected : after a field name");
  ++at_;
  return true;
}

bool JsonCursor::element(bool first) {
  blanks();
  if (at_ < end_ && *at_ == ']') { ++at_; --depth_; return false; }
  if (first) return ok() && (at_ < end_ || fail("array without end"));
  if (at_ == end_ || *at_ != ',') return fail("expected , or ] in an array");
  ++at_;
  return true;
}

bool JsonCursor::string(String& out) {
  blanks();
  if (at_ == end_ || *at_ != '"') return fail("expected a string");
  auto* start = ++at_;
  bool wide = false;
  out.escaped = false;
  for (;;) {
    while (end_ - at_ >= 16) {  // plain ASCII in strides of 16
      auto block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at_));
      auto stop = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8('"')), _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'))),
                               _mm_cmplt_epi8(block, _mm_set1_epi8(0x20)));  // signed: also everything from 0x80 on
      auto mask = static_cast<unsigned>(_mm_movemask_epi8(stop));
      if (mask) { at_ += __builtin_ctz(mask); break; }
      at_ += 16;
    }
    if (at_ == end_) return fail("string without end");
    auto c = static_cast<unsigned char>(*at_);
    if (c == '"') break;
    if (c < 0x20) return fail("control character in a string");
    if (c >= 0x80) wide = true;
    ++at_;
    if (c != '\\') continue;
    out.escaped = true;
    if (at_ == end_) return fail("string without end");
    char escape = *at_++;
    if (escape == 'u') {
      std::uint32_t code = 0, low = 0;
      if (end_ - at_ < 4 || !hex4(at_, code)) return fail("bad \\u escape");
      at_ += 4;
      if (code >= 0xD800 && code < 0xE000) {
        if (code >= 0xDC00 || end_ - at_ < 6 || at_[0] != '\\' || at_[1] != 'u' || !hex4(at_ + 2, low) || low < 0xDC00 || low > 0xDFFF)
          return fail("half of a surrogate pair");
        at_ += 6;
      }
    } else if (std::string_view("\"\\/bfnrt").find(escape) == std::string_view::npos) {
      return fail("unknown escape");
    }
  }
  out.raw = {start, static_cast<std::size_t>(at_ - start)};
  ++at_;
  if (wide && !valid_utf8(out.raw)) return fail("not UTF-8");
  return true;
}

bool JsonCursor::number(Number& out) {
  blanks();
  auto* start = at_;
  auto digit = [&] { return at_ < end_ && *at_ >= '0' && *at_ <= '9'; };
  if (at_ < end_ && *at_ == '-') ++at_;
  if (!digit()) return fail("bad number");
  if (*at_ == '0') ++at_;
  else while (digit()) ++at_;
  out.whole = true;
  if (at_ < end_ && *at_ == '.') {
    out.whole = false;
    ++at_;
    if (!digit()) return fail("bad number");
    while (digit()) ++at_;
  }
  if (at_ < end_ && (*at_ == 'e' || *at_ == 'E')) {
    out.whole = false;
    ++at_;
    if (at_ < end_ && (*at_ == '+' || *at_ == '-')) ++at_;
    if (!digit()) return fail("bad number");
    while (digit()) ++at_;
  }
  out.text = {start, static_cast<std::size_t>(at_ - start)};
  return true;
}

bool JsonCursor::literal(std::string_view word) {
  blanks();
  if (!std::string_view(at_, static_cast<std::size_t>(end_ - at_)).starts_with(word)) return fail("unexpected token");
  at_ += word.size();
  return true;
}

bool JsonCursor::skip(std::string_view* span) {
  blanks();
  auto* start = at_;
  if (!skip_nested()) return false;
  if (span) *span = {start, static_cast<std::size_t>(at_ - start)};
  return true;
}

bool JsonCursor::skip_nested() {
  Number number_token{};
  String text;
  switch (peek()) {
    case Token::string: return string(text);
    case Token::number: return number(number_token);
    case Token::true_: return literal("true");
    case Token::false_: return literal("false");
    case Token::null: return literal("null");
    case Token::bad: return fail(at_ == end_ ? "unexpected end" : "unexpected token");
    case Token::object:
      if (!open_object()) return false;
      for (bool first = true; field(text, first); first = false)
        if (!skip_nested()) return false;
      return ok();
    case Token::array: break;
  }
  if (!open_array()) return false;
  for (bool first = true; element(first); first = false)
    if (!skip_nested()) return false;
  return ok();
}

bool JsonCursor::finish() {
  if (!ok()) return false;
  blanks();
  return at_ == end_ || fail("text after the end");
}

bool unescape(std::string_view raw, record::Arena& arena, std::string_view& out) {
  auto* start = arena.allocate(raw.size());
  auto* end = unescape_to(raw, start);
  if (!end) return false;
  auto used = static_cast<std::size_t>(end - start);
  arena.shrink(start, used);
  out = {start, used};
  return true;
}

bool unescape(std::string_view raw, std::string& out) {
  out.resize(raw.size());
  auto* end = unescape_to(raw, out.data());
  if (!end) return false;
  out.resize(static_cast<std::size_t>(end - out.data()));
  return true;
}

}  // namespace tidemill::flow
