#include <charconv>

#include <fmt/core.h>

#include "world/net.h"

namespace tidemill::world {

Result<Address> parse_address(std::string_view text) {
  auto bad = [&] { return fail(Code::invalid, fmt::format("\"{}\" is not an address", text), "write HOST:PORT, for example 127.0.0.1:9092, or [::1]:9092"); };
  auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return bad();
  auto host = text.substr(0, colon);
  auto digits = text.substr(colon + 1);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  else if (host.find(':') != std::string_view::npos) return bad();
  std::uint16_t port = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (host.empty() || digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return bad();
  return Address{std::string(host), port};
}

}  // namespace tidemill::world
