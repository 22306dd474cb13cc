// How each type of setting is read from text and shown as text.
#include <fmt/format.h>

#include <array>
#include <charconv>

#include "settings/table.h"

namespace tidemill::settings {
namespace {

struct Unit {
  std::string_view suffix;
  std::int64_t factor;
};
constexpr std::int64_t ki = 1024, kilo = 1000;
constexpr std::array byte_units{Unit{"", 1}, Unit{"B", 1}, Unit{"KiB", ki}, Unit{"MiB", ki * ki}, Unit{"GiB", ki * ki * ki}, Unit{"TiB", ki * ki * ki * ki},
                                Unit{"KB", kilo}, Unit{"MB", kilo * kilo}, Unit{"GB", kilo * kilo * kilo}, Unit{"TB", kilo * kilo * kilo * kilo}};
constexpr std::array duration_units{Unit{"", 1}, Unit{"ms", 1}, Unit{"s", 1000}, Unit{"min", 60'000}, Unit{"h", 3'600'000}, Unit{"d", 86'400'000}};
constexpr std::array no_units{Unit{"", 1}};

bool read_number(std::string_view text, std::span<const Unit> units, std::int64_t& out) {
  std::int64_t digits = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), digits);
  if (error != std::errc()) return false;
  auto suffix = text.substr(static_cast<std::size_t>(end - text.data()));
  if (suffix.starts_with(' ')) suffix.remove_prefix(1);
  for (auto& unit : units) {
    if (unit.suffix == suffix) return !__builtin_mul_overflow(digits, unit.factor, &out);
  }
  return false;
}

std::string shown_in(std::int64_t value, std::span<const Unit> units) {
  const Unit* best = &units[0];
  for (auto& unit : units) {
    if (value != 0 && value % unit.factor == 0 && unit.factor > best->factor) best = &unit;
  }
  return fmt::format("{}{}", value / best->factor, best->suffix);
}

std::string limits_text(std::string_view what, std::int64_t min, std::int64_t max, std::span<const Unit> units) {
  if (max == INT64_MAX) return fmt::format("{}, at least {}", what, shown_in(min, units));
  return fmt::format("{} from {} to {}", what, shown_in(min, units), shown_in(max, units));
}

Result<std::int64_t> number_within(const std::string& text, std::int64_t min, std::int64_t max, std::span<const Unit> units, std::string_view what) {
  std::int64_t value = 0;
  if (!read_number(text, units, value) || value < min || value > max) return fail(Code::invalid, limits_text(what, min, max, units));
  return value;
}

}  // namespace

Result<void> read_string(const std::string& text, std::string& out) {
  out = text;
  return {};
}

Result<void> read_int(const std::string& text, std::int64_t min, std::int64_t max, std::int64_t& out) {
  TRY_ASSIGN(value, number_within(text, min, max, no_units, "a number"));
  out = value;
  return {};
}

Result<void> read_count(const std::string& text, std::int64_t min, std::int64_t max, std::size_t& out) {
  TRY_ASSIGN(value, number_within(text, min, max, no_units, "a number"));
  out = static_cast<std::size_t>(value);
  return {};
}

Result<void> read_bytes(const std::string& text, std::int64_t min, std::int64_t max, std::size_t& out) {
  TRY_ASSIGN(value, number_within(text, min, max, byte_units, "a size (such as 64MiB)"));
  out = static_cast<std::size_t>(value);
  return {};
}

Result<void> read_duration(const std::string& text, std::int64_t min, std::int64_t max, std::chrono::milliseconds& out) {
  TRY_ASSIGN(value, number_within(text, min, max, duration_units, "a duration (such as 500ms, 10s, 5min)"));
  out = std::chrono::milliseconds(value);
  return {};
}

Result<void> read_bool(const std::string& text, bool& out) {
  if (text != "true" && text != "false") return fail(Code::invalid, "true or false");
  out = text == "true";
  return {};
}

Result<void> read_address(const std::string& text, ListenAddress& out) {
  auto expected = fail(Code::invalid, "HOST:PORT (such as 127.0.0.1:8080, port 0 for a free one) or off");
  if (text == "off") {
    out = ListenAddress{};
    return {};
  }
  auto colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return expected;
  auto host = text.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  else if (host.find(':') != std::string::npos) return expected;
  std::uint16_t port = 0;
  auto [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), port);
  if (host.empty() || error != std::errc() || end != text.data() + text.size()) return expected;
  out = ListenAddress{host, port, false};
  return {};
}

Result<void> read_choice(const std::string& text, const std::vector<std::string>& values, std::string& out) {
  if (std::find(values.begin(), values.end(), text) == values.end()) return fail(Code::invalid, fmt::format("one of {}", fmt::join(values, ", ")));
  out = text;
  return {};
}

Result<void> read_list(const std::string& text, std::vector<std::string>& out) {
  out.clear();
  for (std::size_t at = 0; at <= text.size();) {
    auto comma = std::min(text.find(',', at), text.size());
    auto from = text.find_first_not_of(' ', at);
    auto to = text.find_last_not_of(' ', comma == 0 ? 0 : comma - 1);
    if (from < comma) out.push_back(text.substr(from, to - from + 1));
    at = comma + 1;
  }
  return {};
}

std::string show(const std::string& value) { return value; }
std::string show(std::int64_t value) { return std::to_string(value); }
std::string show(std::size_t value) { return std::to_string(value); }
std::string show(std::chrono::milliseconds value) { return fmt::format("{}ms", value.count()); }
std::string show(bool value) { return value ? "true" : "false"; }
std::string show(const ListenAddress& value) { return value.text(); }
std::string show(const std::vector<std::string>& value) { return fmt::format("{}", fmt::join(value, ", ")); }

}  // namespace tidemill::settings
