#include "connect/postgres/copy_text.h"

#include <cstring>

namespace tidemill::connect::postgres {
namespace {

char unescaped(char c) {
  switch (c) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'v': return '\v';
    default: return c;
  }
}

// Moves the unescaped text to the front of [from, end) and gives its end.
char* unescape(char* from, char* end) {
  auto* slash = static_cast<char*>(std::memchr(from, '\\', static_cast<std::size_t>(end - from)));
  if (slash == nullptr) return end;
  auto* out = slash;
  for (auto* in = slash; in < end; ++in) {
    if (*in == '\\' && in + 1 < end) *out++ = unescaped(*++in);
    else *out++ = *in;
  }
  return out;
}

FieldValue field(char* from, char* end) {
  if (end - from == 2 && from[0] == '\\' && from[1] == 'N') return {Presence::null, {}};
  auto* last = unescape(from, end);
  return {Presence::text, {from, static_cast<std::size_t>(last - from)}};
}

}  // namespace

void split_copy_line(std::string& line, Row& row) {
  row.clear();
  if (line.ends_with('\n')) line.pop_back();
  auto* from = line.data();
  auto* end = from + line.size();
  for (;;) {
    auto* tab = static_cast<char*>(std::memchr(from, '\t', static_cast<std::size_t>(end - from)));
    row.push_back(field(from, tab == nullptr ? end : tab));
    if (tab == nullptr) return;
    from = tab + 1;
  }
}

}  // namespace tidemill::connect::postgres
