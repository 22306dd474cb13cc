#include "connect/json_text.h"

#include <fmt/format.h>

namespace tidemill::connect {
namespace {

constexpr auto needs_escape = [] {
  std::array<bool, 256> table{};
  for (int c = 0; c < 0x20; ++c) table[static_cast<std::size_t>(c)] = true;
  table['"'] = table['\\'] = true;
  return table;
}();

void append_escape(std::string& out, unsigned char c) {
  switch (c) {
    case '"': out.append("\\\""); return;
    case '\\': out.append("\\\\"); return;
    case '\b': out.append("\\b"); return;
    case '\f': out.append("\\f"); return;
    case '\n': out.append("\\n"); return;
    case '\r': out.append("\\r"); return;
    case '\t': out.append("\\t"); return;
    default: fmt::format_to(std::back_inserter(out), "\\u{:04X}", c);
  }
}

}  // namespace

void append_json_escaped(std::string& out, std::string_view text) {
  std::size_t plain = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    auto c = static_cast<unsigned char>(text[at]);
    if (!needs_escape[c]) [[likely]] continue;
    out.append(text, plain, at - plain);
    append_escape(out, c);
    plain = at + 1;
  }
  out.append(text, plain);
}

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  append_json_escaped(out, text);
  out.push_back('"');
}

void append_json_number(std::string& out, std::int64_t number) {
  fmt::format_int digits(number);
  out.append(digits.data(), digits.size());
}

void append_base64(std::string& out, std::span<const std::byte> bytes) {
  static constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  auto at = [&](std::size_t i) { return i < bytes.size() ? std::to_integer<std::uint32_t>(bytes[i]) : 0u; };
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    auto three = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    out.push_back(letters[three >> 18]);
    out.push_back(letters[three >> 12 & 63]);
    out.push_back(i + 1 < bytes.size() ? letters[three >> 6 & 63] : '=');
    out.push_back(i + 2 < bytes.size() ? letters[three & 63] : '=');
  }
}

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

}  // namespace tidemill::connect
