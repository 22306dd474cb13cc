// Where a window ends. A window start may be any number: it comes from keys that others write.
#pragma once

#include <cstdint>

namespace tidemill::flow {

inline std::int64_t window_end(std::int64_t start_ms, std::int64_t size_ms) {
  std::int64_t end = 0;
  return __builtin_add_overflow(start_ms, size_ms, &end) ? INT64_MAX : end;
}

}  // namespace tidemill::flow
