#include "connect/postgres/lsn.h"

#include <fmt/format.h>

#include <charconv>

namespace tidemill::connect::postgres {

std::string lsn_text(Lsn lsn) { return fmt::format("{:X}/{:X}", lsn.value >> 32, lsn.value & 0xFFFFFFFFu); }

static std::optional<std::uint64_t> hex(std::string_view text) {
  std::uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc() || end != text.data() + text.size() || value > 0xFFFFFFFFu) return std::nullopt;
  return value;
}

std::optional<Lsn> parse_lsn(std::string_view text) {
  auto slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  auto high = hex(text.substr(0, slash));
  auto low = hex(text.substr(slash + 1));
  if (!high || !low) return std::nullopt;
  return Lsn(*high << 32 | *low);
}

}  // namespace tidemill::connect::postgres
