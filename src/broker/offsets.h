// Offsets by time, and the ends of a partition.
#pragma once

#include "broker/broker.h"

namespace tidemill::broker {

// Timestamps with a meaning of their own.
inline constexpr std::int64_t latest_timestamp = -1, earliest_timestamp = -2, max_timestamp = -3;

struct FoundOffset {
  ErrorCode error = kafka::NONE;
  Offset offset{-1};           // -1: there is no such record
  std::int64_t timestamp = -1;
  std::int32_t leader_epoch = -1;
};

// The first record at or after `timestamp`, looked for inside batches too; or an end.
FoundOffset list_offset(const Broker& broker, const catalog::Topic* topic, std::int32_t partition, std::int64_t timestamp,
                        std::int32_t believed_epoch);

}  // namespace tidemill::broker
