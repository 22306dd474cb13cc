#include "log/policy.h"

#include <bit>

namespace tidemill::log {

std::uint32_t retention_class(const Policy& policy) {
  if (policy.compact) return class_compacted;
  if (policy.retention_ms < 0) return class_for_ever;
  return class_timed + static_cast<std::uint32_t>(std::bit_width(static_cast<std::uint64_t>(policy.retention_ms)));
}

std::int64_t retention_ms_max(std::uint32_t retention_class) {
  if (retention_class < class_timed || retention_class >= class_timed + 63) return -1;
  return (std::int64_t{1} << (retention_class - class_timed)) - 1;
}

}  // namespace tidemill::log
