#include "flow/value_text.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/check.h"

namespace tidemill::flow {
namespace {

constexpr std::string_view base64_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_value(char c) {
  auto at = base64_alphabet.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

}  // namespace

void append_double(std::string& out, double v) {
  if (std::isnan(v)) { out += "NaN"; return; }
  if (std::isinf(v)) { out += v < 0 ? "-Infinity" : "Infinity"; return; }
  char buffer[32];
  auto end = std::to_chars(buffer, buffer + sizeof buffer - 1, v, std::chars_format::scientific).ptr;  // d[.ddd]e[+-]xx
  *end = '\0';  // atoi below reads to it: without, what the stack held before became digits of the exponent
  std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  if (text.front() == '-') { out.push_back('-'); text.remove_prefix(1); }
  auto mark = text.find('e');
  char digits[24];
  std::size_t count = 0;
  for (char c : text.substr(0, mark))
    if (c != '.') digits[count++] = c;
  int exponent = 0;
  auto from = mark + (text[mark + 1] == '+' ? 2 : 1);
  std::from_chars(text.data() + from, text.data() + text.size(), exponent);
  std::string_view all(digits, count);
  if (v == 0) { out += "0.0"; return; }
  if (exponent >= -3 && exponent < 7) {
    if (exponent < 0) {
      out += "0.";
      out.append(static_cast<std::size_t>(-exponent - 1), '0');
      out += all;
      return;
    }
    auto whole = static_cast<std::size_t>(exponent) + 1;
    if (count <= whole) {
      out += all;
      out.append(whole - count, '0');
      out += ".0";
    } else {
      out += all.substr(0, whole);
      out.push_back('.');
      out += all.substr(whole);
    }
    return;
  }
  out.push_back(all[0]);
  out.push_back('.');
  out += count > 1 ? all.substr(1) : std::string_view("0");
  out.push_back('E');
  out += std::to_string(exponent);
}

void append_decimal(std::string& out, __int128 unscaled, int scale) { out += record::decimal_text({unscaled}, scale); }

void append_base64(std::string& out, std::string_view bytes) {
  std::size_t i = 0;
  auto byte = [&](std::size_t at) { return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at])); };
  for (; i + 2 < bytes.size(); i += 3) {
    auto v = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    for (int shift = 18; shift >= 0; shift -= 6) out.push_back(base64_alphabet[(v >> shift) & 63]);
  }
  auto left = bytes.size() - i;
  if (left == 0) return;
  auto v = byte(i) << 16 | (left == 2 ? byte(i + 1) << 8 : 0);
  out.push_back(base64_alphabet[v >> 18]);
  out.push_back(base64_alphabet[(v >> 12) & 63]);
  out.push_back(left == 2 ? base64_alphabet[(v >> 6) & 63] : '=');
  out.push_back('=');
}

std::optional<std::string> base64_bytes(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  std::uint32_t bits = 0;
  int held = 0;
  for (char c : text) {
    int v = base64_value(c);
    if (v < 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(v);
    held += 6;
    if (held >= 8) {
      held -= 8;
      out.push_back(static_cast<char>(bits >> held));
    }
  }
  return out;
}

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  std::size_t from = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') [[likely]] continue;
    out.append(text.substr(from, i - from));
    from = i + 1;
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\b': out += "\\b"; break;
      case '\f': out += "\\f"; break;
      default: out += fmt::format("\\u{:04X}", c);
    }
  }
  out.append(text.substr(from));
  out.push_back('"');
}

std::optional<std::int64_t> parse_whole(std::string_view text, std::int64_t low, std::int64_t high) {
  if (!text.empty() && text.front() == '+') {
    text.remove_prefix(1);
    if (text.empty() || text.front() == '-') return std::nullopt;
  }
  std::int64_t v = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (error != std::errc() || end != text.data() + text.size() || v < low || v > high) return std::nullopt;
  return v;
}

std::optional<double> parse_double(std::string_view text) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  for (char c : text)
    if (!((c >= '0' && c <= '9') || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-')) return std::nullopt;
  double v = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) return std::strtod(std::string(text).c_str(), nullptr);  // Java: 0 or Infinity
  if (error != std::errc()) return std::nullopt;
  return v;
}

__int128 power_of_ten(int exponent) {
  static const auto table = [] {
    std::array<__int128, 39> powers{};
    powers[0] = 1;
    for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
    return powers;
  }();
  CHECK(exponent >= 0 && exponent <= 38, "{}", exponent);
  return table[static_cast<std::size_t>(exponent)];
}

bool fits(__int128 unscaled, int precision) {
  auto bound = power_of_ten(std::min(precision, 38));
  return unscaled < bound && unscaled > -bound;
}

std::optional<__int128> rescale(__int128 v, int from, int to, Excess excess) {
  if (to >= from) {
    if (v == 0) return 0;
    if (to - from > 38) return std::nullopt;
    __int128 out;
    if (__builtin_mul_overflow(v, power_of_ten(to - from), &out) || !fits(out, 38)) return std::nullopt;
    return out;
  }
  if (from - to > 38) return excess == Excess::half_up || v == 0 ? std::optional<__int128>(0) : std::nullopt;
  auto divisor = power_of_ten(from - to);
  auto quotient = v / divisor, rest = v % divisor;
  if (rest == 0) return quotient;
  if (excess == Excess::refuse) return std::nullopt;
  if (rest < 0) rest = -rest;
  if (rest >= divisor - rest) quotient += v < 0 ? -1 : 1;
  return quotient;
}

std::optional<__int128> parse_decimal(std::string_view text, int precision, int scale, Excess excess) {
  bool negative = false;
  std::size_t i = 0;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) { negative = text[0] == '-'; i = 1; }
  __int128 digits = 0;
  int places = 0, seen = 0;
  bool point = false, sticky = false;
  int dropped = 0;  // digits left of what is kept, cut because there are too many
  int first_dropped = -1;
  for (; i < text.size(); ++i) {
    char c = text[i];
    if (c == '.' && !point) { point = true; continue; }
    if (c < '0' || c > '9') break;
    ++seen;
    if (digits >= power_of_ten(37)) {  // beyond 38 digits only zeros or roundable places may follow
      if (first_dropped < 0) first_dropped = c - '0';
      else if (c != '0') sticky = true;
      if (!point) ++dropped;
      continue;
    }
    digits = digits * 10 + (c - '0');
    if (point) ++places;
  }
  if (seen == 0) return std::nullopt;
  std::int64_t exponent = 0;
  if (i < text.size()) {
    if (text[i] != 'e' && text[i] != 'E') return std::nullopt;
    auto parsed = parse_whole(text.substr(i + 1), -100000, 100000);
    if (!parsed) return std::nullopt;
    exponent = *parsed;
  }
  if (digits == 0) return 0;
  auto at = static_cast<std::int64_t>(places) - dropped - exponent;
  if (first_dropped > 0 || sticky) {
    if (excess == Excess::refuse) return std::nullopt;
    if (at == scale && first_dropped >= 5) digits += 1;
  }
  if (at < -100 || at > 200) return at > 0 && excess == Excess::half_up ? std::optional<__int128>(0) : std::nullopt;
  auto out = rescale(negative ? -digits : digits, static_cast<int>(at), scale, excess);
  if (!out || !fits(*out, precision)) return std::nullopt;
  return out;
}

bool valid_utf8(std::string_view text) {
  auto* p = reinterpret_cast<const unsigned char*>(text.data());
  auto* end = p + text.size();
  while (p < end) {
    if (end - p >= 8) {
      std::uint64_t eight;
      std::memcpy(&eight, p, 8);
      if ((eight & 0x8080808080808080ull) == 0) { p += 8; continue; }
    }
    if (*p < 0x80) { ++p; continue; }
    int more = *p >= 0xF0 ? 3 : *p >= 0xE0 ? 2 : 1;
    if (*p < 0xC2 || *p > 0xF4 || end - p <= more) return false;
    std::uint32_t code = *p & (0x3Fu >> more);
    for (int k = 1; k <= more; ++k) {
      if ((p[k] & 0xC0) != 0x80) return false;
      code = code << 6 | (p[k] & 0x3Fu);
    }
    if ((more == 2 && (code < 0x800 || (code >= 0xD800 && code < 0xE000))) || (more == 3 && (code < 0x10000 || code > 0x10FFFF))) return false;
    p += more + 1;
  }
  return true;
}

}  // namespace tidemill::flow
