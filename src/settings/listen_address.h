// Where a listener listens, or that it does not.
#pragma once

#include <cstdint>
#include <string>

namespace tidemill::settings {

struct ListenAddress {
  std::string host;
  std::uint16_t port = 0;  // 0: a free one
  bool off = true;

  std::string text() const { return off ? "off" : (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port); }
  bool operator==(const ListenAddress&) const = default;
};

}  // namespace tidemill::settings
