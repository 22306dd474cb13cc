// What is kept for how long: said per stream by the room above the log, asked by the Keeper.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>

#include "base/ids.h"

namespace tidemill::log {

struct Policy {
  std::int64_t retention_ms = -1;     // by the records' timestamps; -1: for ever
  std::int64_t retention_bytes = -1;  // as stored; -1: any number
  bool compact = false;
  double min_cleanable_dirty_ratio = 0.5;
  std::int64_t min_compaction_lag_ms = 0;
  std::int64_t max_compaction_lag_ms = std::numeric_limits<std::int64_t>::max();
  std::int64_t delete_retention_ms = 86'400'000;
};

// Any thread. A stream that is not known is kept for ever: nothing is deleted because somebody's knowledge has a hole.
using Policies = std::function<Policy(StreamId)>;

// Streams of one class share segments: 0 for ever, 1 compacted, 2 + n for retention.ms below 2^n.
inline constexpr std::uint32_t class_for_ever = 0, class_compacted = 1, class_timed = 2;
std::uint32_t retention_class(const Policy& policy);
// The longest retention.ms of a class; -1: for ever.
std::int64_t retention_ms_max(std::uint32_t retention_class);

}  // namespace tidemill::log
