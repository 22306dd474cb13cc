// Compactor: what key compaction leaves of one stream. It is given all entries of the stream that a merge has, oldest first: one or
// more times to study them, once more to write what stays. Offsets never change.
//
//   - of the records with the same key only the last stays; records without a key all stay
//   - a tombstone (null value) stays for delete_retention_ms from the compaction in which everything older with its key went: that
//     one writes the horizon into its batch, and a later one, behind the horizon, removes it. Both only when the merge begins at the
//     stream's start (`from_start`): otherwise something older that the tombstone hides may lie in an older run
//   - nothing at or behind cleanable_to is touched, nor from the first batch on that is younger than min_lag_ms; such records
//     do not hide older ones either
//   - records of aborted transactions go and hide nothing; a transaction whose end is not in the input stops the compaction where
//     it begins. Control batches stay
//   - the last batch of a producer stays, if need be without records, so that its sequence survives; so does the newest batch of
//     the stream, and one behind which the input has a gap: the chain of `from` never closes over damage
//   - what cannot be decoded stays as it is
// Memory: 24 bytes per entry, a bit per record, and a bounded table of keys (key_table.h).
#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <unordered_map>
#include <vector>

#include "log/key_table.h"
#include "log/segment.h"

namespace tidemill::log {

struct CompactionPolicy {
  Offset cleanable_to{std::numeric_limits<std::int64_t>::max()};
  bool from_start = false;
  std::int64_t min_lag_ms = 0;
  std::int64_t delete_retention_ms = 86'400'000;
  std::size_t keys_max = 1u << 20;  // at once: 48 to 96 bytes each
  // Whose last batch stays; empty: every producer's.
  std::function<bool(ProducerId)> producer_is_known;
};

struct CompactedEntry {
  SegmentEntry entry;
  Slice batch;
};

struct CompactionCounts {
  std::uint64_t records = 0;          // in what could be cleaned
  std::uint64_t records_removed = 0;
  std::uint64_t batches_removed = 0;
  std::uint64_t passes = 0;           // of study
};

class Compactor {
 public:
  Compactor(CompactionPolicy policy, std::int64_t now_ms, KeySecret secret);

  // First all entries in order, and then study_more(): true when all of them are to be studied once again.
  void study(const SegmentEntry& entry, const Slice& batch);
  bool study_more();
  // Then all entries in order once more; `out` gets what is to be written, in order. finish() gives what was still held back.
  Result<void> rewrite(const SegmentEntry& entry, const Slice& batch, std::vector<CompactedEntry>& out);
  void finish(std::vector<CompactedEntry>& out);

  const CompactionCounts& counts() const { return counts_; }

 private:
  struct Seen {
    Offset base;
    std::uint64_t first = 0;  // number of its first record
    std::uint32_t records = 0;
  };
  // A batch of a transaction whose end has not come yet.
  struct Open : Seen {
    std::vector<std::pair<KeyHash, std::uint64_t>> keys;
  };
  bool is_cleanable(const SegmentEntry& entry) const;
  const Seen* seen(Offset base) const;
  const Seen* note(const SegmentEntry& entry, std::uint32_t records);
  void end_transaction(const Slice& control, std::int64_t producer);
  void take_key(const KeyHash& key, std::uint64_t number);
  bool keeps_sequence(const SegmentEntry& entry, const record::BatchHeader& header) const;
  std::int64_t horizon() const;
  void put(SegmentEntry entry, Slice batch, std::vector<CompactedEntry>& out);
  void hold(SegmentEntry entry, const record::BatchHeader& header, std::vector<CompactedEntry>& out);
  void let_go(SegmentEntry& next, std::vector<CompactedEntry>& out);

  CompactionPolicy policy_;
  std::int64_t now_ms_;
  KeySecret secret_;
  KeyTable keys_;
  Offset stop_{std::numeric_limits<std::int64_t>::max()};  // from here on nothing is touched
  std::vector<Seen> seen_;
  std::vector<bool> removed_;  // by number of the record
  std::unordered_map<std::int64_t, Offset> last_of_producer_;  // base of its last batch
  std::unordered_map<std::int64_t, std::vector<Open>> open_;   // transactions, by producer
  CompactionCounts counts_;
  struct Held {
    SegmentEntry entry;
    record::BatchHeader header;
  };
  std::optional<Held> held_;  // removed, if what follows can answer for it
};

}  // namespace tidemill::log
