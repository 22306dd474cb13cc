// MergeJob: makes segments out of sorted sources (sealed journal files, or segments of older runs), in steps of about a MiB, so that a
// background thread can do other things in between and a simulation can step it.
//
// Entries of streams that are forgotten go, and those that end at or below their stream's start; streams with a compaction policy
// are compacted (compact.h). Each retention class gets segments of its own, cut at segment_bytes_max, by stream where possible.
// What is damaged in the sources is missing in the segments as well, and reported: the next entry keeps its own `from`, so the gap
// stays a gap, and reading it says corrupt. Whoever owns the sources keeps a file that had damage, for whoever repairs disks.
//
// All or nothing: until take() nobody knows the segments, and abandon() (or the job's end) removes them. Each of them is on disk when
// step() has said that it is done; a manifest makes them count. One thread.
#pragma once

#include <functional>
#include <map>

#include "log/compact.h"
#include "log/entry_source.h"
#include "log/segment_writer.h"

namespace tidemill::log {

struct StreamKeep {
  Offset start;            // what ends at or before it goes
  bool forgotten = false;  // all of it goes
};

struct MergeSettings {
  std::string dir;
  std::uint32_t level = 0;
  Jsn from;  // what the sources hold: groups [from, to)
  Jsn to;
  Jsn purged_to;  // `keep_of` knows all marks of groups before this
  std::int64_t now_ms = 0;
  std::uint64_t segment_bytes_max = 1ull << 30;
  // Asked once per stream, on the job's thread, in order of streams.
  std::function<std::uint32_t(StreamId)> class_of;
  std::function<StreamKeep(StreamId)> keep_of;
  std::function<std::optional<CompactionPolicy>(StreamId)> compaction_of;  // may be empty: nothing is compacted
  std::function<std::uint64_t()> next_number;                              // for a segment; never the same twice
  std::function<std::uint64_t()> random;                                   // salts
};

struct MergeReport {
  std::vector<SegmentInfo> segments;  // by class, then in order of streams; none when nothing is left
  std::vector<EntryDamage> damage;    // each once
  std::uint64_t entries_written = 0;
  std::uint64_t bytes_written = 0;    // of entries
  CompactionCounts compaction;
};

class MergeJob {
 public:
  // Sources from the oldest run to the newest.
  MergeJob(world::Disk& disk, MergeSettings settings, std::vector<std::unique_ptr<EntrySource>> sources);
  ~MergeJob();

  // Does about a MiB of work; false when all is done. An error is final: abandon the job.
  Result<bool> step();
  // The result of a job that is done.
  MergeReport take();
  void abandon();

 private:
  enum class Phase { copy, study, rewrite };

  Result<bool> advance();
  Result<EntrySource*> lowest(SegmentEntry& entry);
  Result<bool> begin_stream(StreamId stream);
  Result<void> end_stream();
  Result<void> skip_all(StreamId stream, Offset offset);
  Result<void> handle(EntrySource& source, const SegmentEntry& entry);
  bool overlaps(SegmentEntry& entry);
  Result<void> write(const SegmentEntry& entry, Slice batch);
  Result<void> write_compacted();
  Result<SegmentWriter*> writer_for(std::uint64_t bytes);
  Result<void> finish_segment(std::uint32_t retention_class);
  void gather_damage();

  world::Disk& disk_;
  MergeSettings settings_;
  std::vector<std::unique_ptr<EntrySource>> sources_;
  std::map<std::uint32_t, std::unique_ptr<SegmentWriter>> writers_;  // by class
  SegmentWriter* busy_ = nullptr;  // with the rest of a large batch
  std::uint64_t work_ = 0;         // bytes of this step
  bool merged_ = false;
  bool done_ = false;

  // The stream that is being merged.
  std::optional<StreamId> stream_;
  StreamKeep keep_;
  std::uint32_t class_ = 0;
  Offset end_;  // behind its last entry
  Phase phase_ = Phase::copy;
  std::optional<Compactor> compactor_;
  std::vector<CompactedEntry> compacted_;  // to be written, in order
  std::size_t compacted_at_ = 0;

  std::map<std::pair<std::string, std::uint64_t>, EntryDamage> damage_;
  MergeReport report_;
};

}  // namespace tidemill::log
