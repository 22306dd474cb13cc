// A cursor over one JSON text (RFC 8259). Every token it passes is checked, whether its value is wanted or not: a text is either valid
// or not, whoever reads it. After the first mistake every call answers false and `error()` says what was wrong.
#pragma once

#include <string_view>

#include "record/chunk.h"

namespace tidemill::flow {

class JsonCursor {
 public:
  explicit JsonCursor(std::string_view text) : at_(text.data()), end_(text.data() + text.size()), begin_(at_) {}

  enum class Token : std::uint8_t { object, array, string, number, true_, false_, null, bad };
  // What the next value is, judged by its first byte; blanks are skipped.
  Token peek();

  struct Number {
    std::string_view text;
    bool whole;  // neither fraction nor exponent
  };
  struct String {
    std::string_view raw;  // between the quotes
    bool escaped;          // raw is not yet the text
  };
  bool number(Number& out);
  bool string(String& out);
  bool literal(std::string_view word);  // true, false, null

  // Object: open_object, then field() until it answers false with ok(); each true is followed by one value.
  bool open_object() { return open('{'); }
  bool field(String& name, bool first);
  bool open_array() { return open('['); }
  bool element(bool first);  // true: one more value follows

  bool skip(std::string_view* span = nullptr);  // one whole value, checked
  bool finish();                                // nothing but blanks may follow

  bool ok() const { return error_ == nullptr; }
  const char* error() const { return error_ ? error_ : ""; }
  std::size_t position() const { return static_cast<std::size_t>(at_ - begin_); }
  const char* at() const { return at_; }
  bool fail(const char* why);

 private:
  bool open(char bracket);
  void blanks();
  bool skip_nested();
  const char* at_;
  const char* end_;
  const char* begin_;
  const char* error_ = nullptr;
  int depth_ = 0;
};

// The text of a checked string with escapes resolved, in `arena`. False when an escape is half of a surrogate pair.
bool unescape(std::string_view raw, record::Arena& arena, std::string_view& out);
bool unescape(std::string_view raw, std::string& out);

}  // namespace tidemill::flow
