#include "world/hard_link.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tidemill::world {

Result<void> hard_link(const std::string& from, const std::string& to) {
  if (::link(from.c_str(), to.c_str()) == 0) return {};
  return fail(errno == ENOSPC ? Code::full : Code::unsupported, fmt::format("cannot link {} to {}: {}", to, from, strerrordesc_np(errno)));
}

}  // namespace tidemill::world
