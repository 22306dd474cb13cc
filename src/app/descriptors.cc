#include "app/descriptors.h"

#include <sys/resource.h>

#include <algorithm>

namespace tidemill::app {
namespace {

// The log keeps at most 128 journal files and 128 segments open for reading; under a small limit it has to do with fewer.
constexpr std::size_t reserve_least = 64, reserve_most = 448;
constexpr std::size_t limit_most = 1u << 20;  // what "unlimited" is taken for

}  // namespace

std::size_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  auto before = limit;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) limit = before;
  return std::min<std::size_t>(limit.rlim_cur, limit_most);
}

std::size_t connections_within(std::size_t descriptors) {
  auto reserve = std::clamp(descriptors / 3, reserve_least, reserve_most);
  return descriptors > 2 * reserve_least ? descriptors - reserve : descriptors / 2;
}

}  // namespace tidemill::app
