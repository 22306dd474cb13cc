// Batches after compaction: fewer records, everything else as the producer sent it. Offsets never change.
//
// A batch that held a tombstone when it was cleaned carries a delete horizon, as Apache Kafka writes it (KIP-534): bit 6 of the
// attributes is set, and the base timestamp is the time from which the tombstones may go. Records count their times from there.
#pragma once

#include <optional>
#include <vector>

#include "record/batch.h"

namespace tidemill::record {

inline constexpr std::int16_t has_delete_horizon = 0x40;
std::optional<std::int64_t> delete_horizon(const BatchHeader& header);

// The batch with only the records that `keep` says, by their place in it; at least one. Same base offset, last offset delta, codec,
// timestamp type, producer and sequence; the max timestamp is that of what is left. With a horizon it is written into the batch.
Result<Slice> keep_records(const Slice& batch, const std::vector<bool>& keep, std::optional<std::int64_t> horizon_ms = {});

// The batch without any record: it holds its offsets, and its producer's sequence.
Slice empty_batch(const BatchHeader& header);

}  // namespace tidemill::record
