// Producers: what the log remembers of idempotent producers, so that a batch sent twice is stored once and a lost one is noticed.
//
// Owned by the one assigner of a log (D4); no locks. Per (stream, producer id) a Window holds the producer's epoch and its last
// five batches. The rules are Apache Kafka's:
//   - the same (epoch, base sequence, last sequence) as one of the five: a duplicate, answered with the original offsets
//   - an older epoch: Code::fenced; a newer one must start at sequence 0
//   - otherwise the base sequence follows the last one by 1 (INT32_MAX is followed by 0), else Code::out_of_order
//   - no window (never seen, or forgotten: the longest silent first, when there are many): any sequence is accepted, as Kafka does since 2.5
//   - control batches (transaction markers) carry no sequence: they only raise the epoch
// Always true: a window changes only through commit(), so a refused append leaves no trace.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "record/batch.h"

namespace tidemill::log {

struct ProducerKey {
  StreamId stream;
  ProducerId producer;
  auto operator<=>(const ProducerKey&) const = default;
};

struct ProducerKeyHash {
  std::size_t operator()(const ProducerKey& k) const noexcept {
    return std::hash<StreamId>{}(k.stream) * 31 + std::hash<ProducerId>{}(k.producer);
  }
};

struct SequenceRange {
  std::int32_t base = 0;
  std::int32_t last = 0;
  Offset offset;
};

struct Window {
  static constexpr std::size_t remembered = 5;
  std::int16_t epoch = -1;
  std::uint8_t count = 0;  // of `batches` in use, oldest first
  std::int64_t last_time_ms = 0;  // wall clock, for people; what decides about forgetting is `touched_ms`
  std::int64_t touched_ms = 0;    // monotonic, of this run only: a wall clock may jump
  std::array<SequenceRange, remembered> batches{};

  void push(SequenceRange range);
  // What a later part of the journal says of the same producer, its earlier batches included or not.
  void merge(const Window& later);
};

// `delta` sequence numbers after `sequence`; after INT32_MAX comes 0.
std::int32_t sequence_after(std::int32_t sequence, std::int32_t delta);

class Producers {
 public:
  // One entry of an append as far as idempotence is concerned.
  struct Item {
    StreamId stream;
    record::BatchHeader header;
    Offset base;  // where it would land
  };

  // Windows as they would be after an append that was found good.
  using Windows = std::unordered_map<ProducerKey, Window, ProducerKeyHash>;
  struct Staged {
    Windows windows;
  };
  struct Verdict {
    bool duplicate = false;
    std::vector<Offset> originals;  // for a duplicate: one per item, -1 for items without a sequence
    Staged staged;
  };

  // Judges the items of one atomic append together. All idempotent ones are duplicates, or none is (else Code::out_of_order).
  Result<Verdict> check(std::span<const Item> items, std::int64_t time_ms) const;
  void commit(Staged staged, std::int64_t monotonic_ms);

  // Replay: what was accepted once is taken as it is.
  void restore(StreamId stream, const record::BatchHeader& header, Offset base, std::int64_t time_ms);
  // What a checkpoint or a later part of the journal says; the same may come twice.
  void merge(ProducerKey key, const Window& later);

  // A run begins: every window counts as touched now, because nobody knows how long the program was not running.
  void touch_all(std::int64_t monotonic_ms);
  // What is worth forgetting: `silent_before` counts as long ago, but so many windows are kept whatever their age.
  struct Keep {
    std::int64_t silent_before_ms = 0;  // monotonic
    std::size_t windows_min = 0;
    std::size_t windows_max = 0;
  };
  void forget(const Keep& keep);
  std::size_t size() const { return windows_.size(); }
  const Windows& windows() const { return windows_; }
  // Who wrote since the last call of take_changed(): what a file's seal says of producers.
  std::size_t changed_count() const { return changed_.size(); }
  std::vector<ProducerKey> take_changed();

 private:
  const Window* find(const Staged& staged, ProducerKey key) const;
  Windows windows_;
  std::unordered_set<ProducerKey, ProducerKeyHash> changed_;
};

}  // namespace tidemill::log
