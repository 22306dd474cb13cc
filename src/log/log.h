// The log: the one truth. Streams of record batches, appended atomically across streams, in one total order.
//
// There are several implementations (embedded engine, in memory, later an external Kafka) and no code above this header asks
// which one it has. All calls are thread-safe. Callbacks run on the log's own thread: they must not block, and normally
// only set a Once or post to a loop.
//
// Order: every atomic append lands in exactly one group; a group has a journal sequence number (JSN), each entry an index in
// it. (JSN, index) orders everything that ever happened; offsets count records per stream. Both are assigned by the log alone.
// Readers see only what is durable: nothing past durable_jsn() is ever returned or announced.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "bytes/slice.h"

namespace tidemill::log {

// One batch for one stream. `batch` is exactly one RecordBatch v2, already validated (record::validate_batch) by whoever took it
// from outside. Its bytes are stored as they are; base offset and leader epoch in it mean nothing.
struct Entry {
  TenantId tenant;
  StreamId stream;
  Slice batch;
};

// What a stream gives up. Durable before it is answered; readers see it at once, and the bytes go within a time that is a setting.
struct Mark {
  enum class Kind : std::uint32_t {
    trim = 1,    // records before `offset` are gone; a lower offset than the start changes nothing
    forget = 2,  // the stream is deleted: nothing is read or appended any more, and its id is not used again. `offset` says nothing
    skip = 3,    // the log's own: offsets before `offset` are taken, though nothing is known of their records
  };
  Kind kind = Kind::trim;
  StreamId stream;
  Offset offset;
};

enum class Durability : std::uint8_t {
  synced,    // answered after the group is on disk
  on_write,  // answered when the group is written, before the sync (acks=0); visible to readers only once synced
};

// What may still be written when the disk is full: `control` is small and frees or keeps things (positions, deletes, definitions).
enum class Purpose : std::uint8_t { data, control };

// All entries and marks land in one group or none does. At least one of either; at most append_bytes_max() unless it is a single batch.
struct Append {
  std::vector<Entry> entries;
  std::vector<Mark> marks;
  Durability durability = Durability::synced;
  Purpose purpose = Purpose::data;
};

struct Appended {
  Jsn jsn;
  std::vector<Offset> base_offsets;  // one per entry
  bool duplicate = false;            // an idempotent producer's batch that was there before; base_offsets are the original's
  std::int64_t append_time_ms = 0;   // wall clock of the group
};

// Errors: Code::out_of_order, Code::fenced (idempotence), Code::full (retriable), Code::too_large, Code::unavailable (stopping), Code::io,
// Code::not_found (the stream is deleted), Code::out_of_range (a trim beyond the end).
using AppendDone = std::move_only_function<void(Result<Appended>)>;

struct Bounds {
  Offset start;                // first record that is not trimmed
  Offset end;                  // one past the last durable record
  std::int32_t leader_epoch = 0;  // rises when recovery has dropped a tail
};

struct StoredBatch {
  Offset base;
  Jsn jsn;
  std::uint32_t index = 0;     // of the entry in its group
  std::int32_t leader_epoch = 0;
  std::int64_t append_time_ms = 0;
  Slice bytes;                 // as the producer sent it; shares ownership, keep as long as needed
};

// One entry of a group, as followers see it.
struct GroupEntry {
  TenantId tenant;
  StreamId stream;
  Offset base;
  Slice batch;
};
struct Group {
  Jsn jsn;
  Incarnation incarnation;
  std::int64_t append_time_ms = 0;
  std::vector<GroupEntry> entries;
  std::vector<Mark> marks;  // neither: the group only marks durability
};

// A standing request to be told when a stream's durable end advances. Goes when the object goes; no call happens after that.
class Watch {
 public:
  virtual ~Watch() = default;
};

class Log {
 public:
  virtual ~Log() = default;

  // `done` is called exactly once. Appends from one thread are ordered as called.
  virtual void append(Append append, AppendDone done) = 0;
  virtual std::size_t append_bytes_max() const = 0;

  // A stream exists from its first append on; before that it is empty: {0, 0}. A deleted one is empty as well.
  virtual Bounds bounds(StreamId stream) const = 0;

  // Whole batches from the one that contains `from`, in order, until `bytes_max` is reached (always at least one, if there is one).
  // Empty at the end. Code::out_of_range outside [start, end]; Code::not_found when the stream is deleted; Code::corrupt when the batch
  // at `from` fails its checksum. Where compaction has removed records the next batch that is left is the answer.
  virtual Result<std::vector<StoredBatch>> read(StreamId stream, Offset from, std::size_t bytes_max) const = 0;

  // The first batch whose max timestamp is >= time_ms; nothing when there is none.
  virtual Result<std::optional<StoredBatch>> find_by_time(StreamId stream, std::int64_t time_ms) const = 0;

  // Everything up to here is on disk and visible.
  virtual Jsn durable_jsn() const = 0;

  // For followers: durable groups with jsn >= from, in order, until `bytes_max` (at least one if there is one).
  // Code::out_of_range when `from` is older than what is kept.
  virtual Result<std::vector<Group>> read_groups(Jsn from, std::size_t bytes_max) const = 0;

  // Calls `on_advance` after each publication that moved one of `streams` (empty: any stream). Coalesced.
  virtual std::unique_ptr<Watch> watch(std::vector<StreamId> streams, std::move_only_function<void()> on_advance) = 0;

  // A fresh id for an idempotent producer; unique over restarts.
  virtual ProducerId new_producer_id() = 0;

  virtual Incarnation incarnation() const = 0;
};

// Appends and waits; for blocking threads (connectors, start-up, tests), never on a loop or the log's own thread.
Result<Appended> append_and_wait(Log& log, Append append);

}  // namespace tidemill::log
