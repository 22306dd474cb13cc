// Recovery: from the files of a journal to the state of the log, by the rules of D2.
//
//   - a group counts when its checksum holds, its JSN continues by one and its incarnation does not fall
//   - a bad group at or below the highest durable_jsn that any good group mentions is corruption: reported, left as it is, and
//     the rest is served; its batches' offsets stay taken
//   - above it is tail: dropped, and the leader epoch rises; it rises as well for damage that no start has seen before
//   - a file that is shorter than it was made has lost its end: it is closed, and no JSN that it may have held is used again
//   - the checkpoint and the seals' deltas behind it give the state up to the newest good seal; of the files behind that the groups
//     are read. A seal that fails a checksum is rebuilt from the data, never believed
// Recovery writes nothing, so it can be repeated; it fails only when the folder cannot be read or its format is newer.
#pragma once

#include <deque>
#include <unordered_map>
#include <unordered_set>

#include "log/checkpoint.h"
#include "log/journal_files.h"
#include "log/producers.h"
#include "log/seal.h"
#include "log/sealed_files.h"
#include "log/tiers.h"

namespace tidemill::log {

// Deliberate mistakes, so that the simulation can prove that it finds them.
enum class Flaw {
  none,
  ignore_incarnation,     // recovery believes leftovers of an earlier run
  ack_before_sync,        // an append is answered when it is written
  publish_before_sync,    // readers see groups that are not on disk
  drop_durable,           // recovery takes the last group of the open file for torn, whatever it is
  lose_rename,            // the folder is not synced when a journal file has got its name
};

struct Corruption {
  std::uint64_t file = 0;
  std::uint64_t position = 0;
  std::uint64_t bytes = 0;
  Jsn first;  // groups [first, end) cannot be read
  Jsn end;
  std::string what;
};

struct RecoveryReport {
  std::uint64_t files = 0;
  std::uint64_t groups_scanned = 0;
  std::uint64_t seals_rebuilt = 0;
  bool tail_dropped = false;
  Jsn tail_from;  // first JSN that was dropped; used again
  std::vector<Corruption> corruption;
  Incarnation incarnation;
  std::int32_t leader_epoch = 0;
  std::int64_t duration_ms = 0;
};

void apply(StreamTable& streams, const Mark& mark);

// What the open file holds, readable.
struct OpenRows {
  std::vector<GroupRow> groups;
  std::deque<BatchRow> batches;
  std::unordered_map<StreamId, std::vector<std::uint32_t>> by_stream;  // into `batches`, by offset
  std::unordered_set<StreamId> marked;                                 // streams with a mark in this file
  void add(const GroupRow& group, std::span<const BatchRow> rows, std::span<const Mark> marks);
  // The delta of this file, when `streams` is the state at its end.
  std::vector<StreamRow> touched(const StreamTable& streams) const;
};

struct OpenFile {
  std::uint64_t number = 0;
  std::uint64_t salt = 0;
  std::uint64_t bytes = 0;
  std::uint64_t position = block_bytes;  // where the next group goes
  std::shared_ptr<world::File> file;
  Hold held = new_hold();
};

struct Recovered {
  StreamTable streams;
  Producers producers;
  Jsn next{1};
  Jsn durable;              // highest that any good group mentions
  Incarnation incarnation;  // highest seen
  std::int32_t leader_epoch = 0;
  Manifest manifest;
  bool manifest_damaged = false;     // in one of its halves: to be written again
  CheckpointFacts checkpoint;
  std::vector<Footer> sealed;        // by number; rebuilt ones included, and those that are sorted already
  std::vector<std::uint64_t> leftover_files;  // of the journal, sorted and covered: to be used again
  Tiers tiers;
  std::optional<OpenFile> open;
  OpenRows rows;  // of the open file
  std::vector<PreparedFile> spares;  // by number, all behind the open file
  std::uint64_t next_number = 0;  // for the next file to be made
  bool damaged = false;  // groups are missing before here, so offsets may jump
  std::optional<std::int32_t> damage_epoch;  // the leader epoch when the last damage was passed
  // Ends that only damaged groups tell of, above those in `streams`. Kept aside: a good group of the stream knows better. The run that
  // starts here writes them down as skips.
  std::unordered_map<StreamId, StreamState> salvaged;
  bool clean = true;  // the last group ended its run, or there is none

  void pass_damage(Corruption damage);
  // What was dropped or is missing may have been seen by somebody, and no start has said so yet. Not every lost tail leaves a trace.
  bool must_raise_epoch() const { return !clean || (damage_epoch && *damage_epoch >= leader_epoch); }
  RecoveryReport report;
};

Result<Recovered> recover(world::Disk& disk, const std::string& dir, SealedFiles& sealed_files, Flaw flaw = Flaw::none);

// Makes the pages of a sealed file again, in memory, after one of them failed its checksum.
Result<void> rebuild_seal(SealedFiles& sealed_files, const Footer& seal);

}  // namespace tidemill::log
