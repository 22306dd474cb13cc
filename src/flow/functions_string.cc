#include <cctype>

#include "flow/functions.h"

// Text is UTF-8; positions and lengths count UTF-16 units, as Java's do. A character beyond the BMP is two units and is never cut in half.

namespace tidemill::flow {
namespace {

using record::Value;

const std::string& text(const Value& v) { return std::get<std::string>(v.data); }
std::int64_t whole(const Value& v) { return std::get<std::int64_t>(v.data); }

// A row of the log holds no more. Without a bound a short statement could make any number of bytes of every row.
constexpr std::size_t made_bytes_max = 4u << 20;
Error longer_than_rows_may_be() { return fail(Code::too_large, "the text would be longer than 4 MiB"); }

std::size_t character_bytes(char lead) {
  auto c = static_cast<unsigned char>(lead);
  return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}


std::int64_t units(std::string_view s) {
  std::int64_t n = 0;
  for (std::size_t i = 0; i < s.size(); i += character_bytes(s[i])) n += character_bytes(s[i]) == 4 ? 2 : 1;
  return n;
}

// The byte where unit `unit` begins; the end when there are not so many.
std::size_t byte_of_unit(std::string_view s, std::int64_t unit) {
  std::size_t i = 0;
  for (std::int64_t n = 0; i < s.size() && n < unit; i += character_bytes(s[i])) n += character_bytes(s[i]) == 4 ? 2 : 1;
  return std::min(i, s.size());
}

// Latin-1, Greek and Cyrillic besides ASCII: two-byte letters at a fixed distance. Others stay as they are.
void append_cased(std::string& out, std::uint32_t code, bool upper) {
  auto shift = [&](std::uint32_t low, std::uint32_t high, std::uint32_t by) {  // low..high are lower case, `by` above their upper case
    if (upper && code >= low && code <= high) code -= by;
    else if (!upper && code + by >= low && code + by <= high) code += by;
  };
  if (code != 0xF7 && code != 0xD7) shift(0xE0, 0xFE, 0x20);
  shift(0x3B1, 0x3C9, 0x20);
  shift(0x430, 0x44F, 0x20);
  shift(0x450, 0x45F, 0x50);
  out.push_back(static_cast<char>(0xC0 | code >> 6));
  out.push_back(static_cast<char>(0x80 | (code & 0x3F)));
}

template <bool upper>
Result<Value> cased(const Call& c) {
  std::string out;
  auto& s = text(c.args[0]);
  for (std::size_t i = 0; i < s.size();) {
    auto bytes = std::min(character_bytes(s[i]), s.size() - i);
    if (bytes == 1) out.push_back(static_cast<char>(upper ? std::toupper(s[i]) : std::tolower(s[i])));
    else if (bytes == 2) append_cased(out, (static_cast<std::uint32_t>(s[i]) & 0x1F) << 6 | (static_cast<std::uint32_t>(s[i + 1]) & 0x3F), upper);
    else out.append(s, i, bytes);
    i += bytes;
  }
  return Value(std::move(out));
}

Result<Value> length(const Call& c) {
  auto& s = text(c.args[0]);
  return Value(c.types[0].kind() == record::Kind::bytes ? static_cast<std::int64_t>(s.size()) : units(s));
}

Result<Value> trim(const Call& c) {
  std::string_view s = text(c.args[0]);
  while (!s.empty() && static_cast<unsigned char>(s.front()) <= ' ') s.remove_prefix(1);
  while (!s.empty() && static_cast<unsigned char>(s.back()) <= ' ') s.remove_suffix(1);
  return Value(std::string(s));
}

Result<Value> substring(const Call& c) {
  std::string_view s = text(c.args[0]);
  auto size = units(s), position = whole(c.args[1]);
  auto start = std::clamp<std::int64_t>(position > 0 ? position - 1 : position < 0 ? size + position : 0, 0, size);
  auto end = size;
  if (c.args.size() > 2) end = std::clamp<std::int64_t>(start + std::max<std::int64_t>(0, whole(c.args[2])), start, size);
  auto from = byte_of_unit(s, start);
  return Value(std::string(s.substr(from, byte_of_unit(s, end) - from)));
}

Result<Value> concat(const Call& c) {
  std::string out;
  for (auto& arg : c.args)
    if (!arg.null()) out += text(arg);
  if (out.size() > made_bytes_max) return longer_than_rows_may_be();
  return Value(std::move(out));
}

Result<Value> replace(const Call& c) {
  auto &s = text(c.args[0]), &old = text(c.args[1]), &fresh = text(c.args[2]);
  std::string out;
  std::size_t from = 0;
  auto too_long = [&] { return out.size() + s.size() - from > made_bytes_max; };
  if (old.empty()) {  // between all characters, as Java does
    for (; from < s.size() && !too_long(); from += character_bytes(s[from])) out += fresh + s.substr(from, character_bytes(s[from]));
    out += fresh;
    from = s.size();
  }
  for (auto at = old.empty() ? std::string::npos : s.find(old); at != std::string::npos && !too_long(); at = s.find(old, from)) {
    out.append(s, from, at - from);
    out += fresh;
    from = at + old.size();
  }
  if (too_long()) return longer_than_rows_may_be();
  return Value(out + s.substr(std::min(from, s.size())));
}

Result<Value> instr(const Call& c) {
  std::string_view s = text(c.args[0]), wanted = text(c.args[1]);
  auto position = c.args.size() > 2 ? whole(c.args[2]) : 1;
  auto occurrence = c.args.size() > 3 ? whole(c.args[3]) : 1;
  if (position == 0 || occurrence < 1) return Value(std::int64_t{0});
  auto size = units(s);
  auto start = position > 0 ? position - 1 : size + position;
  if (start < 0 || start > size) return Value(std::int64_t{0});
  auto at = byte_of_unit(s, start);
  for (;;) {
    at = position > 0 ? s.find(wanted, at) : s.rfind(wanted, at);
    if (at == std::string_view::npos) return Value(std::int64_t{0});
    if (--occurrence == 0) return Value(units(s.substr(0, at)) + 1);
    if (position > 0) ++at;
    else if (at-- == 0) return Value(std::int64_t{0});
  }
}

template <bool left>
Result<Value> pad(const Call& c) {
  auto &s = text(c.args[0]), &padding = text(c.args[2]);
  auto wanted = whole(c.args[1]);
  if (padding.empty() || wanted < 0) return Value();
  if (wanted > static_cast<std::int64_t>(made_bytes_max)) return longer_than_rows_may_be();
  auto missing = wanted - units(s);
  if (missing <= 0) return Value(s.substr(0, byte_of_unit(s, wanted)));
  std::string fill;
  auto each = units(padding);
  if (static_cast<std::size_t>(missing / each + 1) * padding.size() > made_bytes_max) return longer_than_rows_may_be();
  fill.reserve(static_cast<std::size_t>(missing / each + 1) * padding.size());
  for (auto whole_times = missing / each; whole_times > 0; --whole_times) fill += padding;
  fill += padding.substr(0, byte_of_unit(padding, missing % each));
  return Value(left ? fill + s : s + fill);
}

Result<Value> split(const Call& c) {
  std::string_view s = text(c.args[0]), delimiter = text(c.args[1]);
  auto out = std::make_shared<record::ValueList>();
  if (delimiter.empty()) {
    for (std::size_t i = 0; i < s.size(); i += character_bytes(s[i])) out->emplace_back(std::string(s.substr(i, character_bytes(s[i]))));
  } else {
    for (;;) {
      auto at = s.find(delimiter);
      out->emplace_back(std::string(s.substr(0, at)));
      if (at == std::string_view::npos) break;
      s.remove_prefix(at + delimiter.size());
    }
  }
  return Value(std::shared_ptr<const record::ValueList>(std::move(out)));
}

constexpr ScalarFunction table[] = {
    {"UCASE", cased<true>},   {"LCASE", cased<false>}, {"LEN", length},      {"TRIM", trim},       {"SUBSTRING", substring},
    {"CONCAT", concat, false}, {"REPLACE", replace},    {"INSTR", instr},     {"LPAD", pad<true>},  {"RPAD", pad<false>},
    {"SPLIT", split},
};

}  // namespace

std::span<const ScalarFunction> string_functions() { return table; }

}  // namespace tidemill::flow
