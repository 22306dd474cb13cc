// Keeper: what goes on behind the log's back. Sealed journal files are sorted into segments, the checkpoint follows, files are used
// again; runs of segments are merged level by level.
//
// One thread calls step(), a piece of about a MiB at a time; it never waits. Readers see a change of tiers at once or not at all.
// Always true, so that a crash at any moment costs nothing:
//   - a segment is on disk before the manifest names it, and the manifest before anybody reads it
//   - a journal file is given away only when its groups are in segments, its delta in the checkpoint, and the manifest says so
//   - nothing is given away or removed while somebody may read it (Hold)
//   - a file in which damage was found is never used again: it is renamed to NAME.damaged
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <set>

#include "log/checkpoint.h"
#include "log/journal_files.h"
#include "log/merge.h"
#include "log/policy.h"
#include "log/recovery.h"
#include "log/segment_liveness.h"
#include "log/sweep.h"
#include "log/view.h"
#include "world/clock.h"

namespace tidemill::log {

struct KeeperOptions {
  std::string dir;
  std::uint64_t sort_bytes = 256u << 20;  // sealed files are sorted when there is so much of them
  std::int64_t sort_after_ms = 600'000;   // or when the first has waited for so long
  std::uint64_t segment_bytes_max = 1ull << 30;
  double compact_dirty_ratio = 0.5;        // of the compacted class: what was never compacted, over all of it
  std::size_t merge_runs = 8;             // of one level and class become one of the next
  std::int64_t sweep_interval_ms = 300'000;  // how often streams are looked through for what is too old or too much
  // A segment of which a part is not wanted any more is written anew when that is half of it, or has waited for so long.
  std::int64_t delete_after_ms = 86'400'000;
  ProducerLimits producers;
  // Called on the stepping thread, for whoever tells people.
  std::function<void(const EntryDamage&)> on_damage;
  std::function<void(const Error&)> on_failure;
};

struct KeeperCounters {
  std::atomic<std::uint64_t> files_sorted{0}, sorted_bytes{0}, segments_merged{0}, merged_bytes{0}, records_compacted{0}, checkpoints{0}, files_reused{0},
      segments_removed{0}, sweeps{0}, streams_trimmed{0}, damaged{0}, failures{0};
};

class Keeper {
 public:
  Keeper(world::Disk& disk, world::Clock& clock, KeeperOptions options, SealedFiles& sealed_files, SegmentFiles& segment_files, View& view,
         SpareMaker& spare_maker);

  // What recovery found; before the first step. Removes what no manifest names.
  Result<void> start(const Recovered& recovered);
  // Until then every stream is kept for ever.
  void set_policies(Policies policies);
  // How it appends trim marks; any answer is as good: the next sweep looks again.
  void set_append(std::function<void(Append)> append) { append_ = std::move(append); }

  // False when there is nothing to do now. A failure is counted and tried again later.
  bool step();
  // When there may be something to do although no file was sealed; nullopt: not before one is.
  std::optional<std::int64_t> next_wakeup_ns() const;
  // Much more waits to be sorted than should; stepping is more important than being gentle.
  bool is_behind() const { return unsorted_bytes_ > 4 * options_.sort_bytes; }
  // Nothing goes on any more until the next start, and why.
  const std::optional<Error>& broken() const { return broken_; }
  const KeeperCounters& counters() const { return counters_; }

 private:
  struct Retired {
    std::uint64_t number;
    std::weak_ptr<const char> held;
  };
  Result<bool> advance();
  Result<bool> begin();
  void notice_sealed();
  bool begin_sort();
  bool begin_merge();
  std::unique_ptr<MergeJob> merge_of(const std::vector<Run>& runs, std::uint32_t level);

  // keeper_retention.cc: what is not wanted any more
  bool begin_compaction(const Tiers& tiers);
  std::optional<CompactionPolicy> compaction_of(StreamId stream) const;
  void note_marked();
  bool begin_check();
  Result<bool> advance_check();
  bool begin_sweep();
  Result<bool> advance_sweep();
  std::int64_t trusted_now_ms();
  void believe_clock_since(const Recovered& recovered);

  bool begin_cover();
  Result<bool> advance_merge();
  Result<bool> advance_cover();
  void finish_merge(MergeReport report);
  void commit(Manifest next, std::move_only_function<void()> then);
  Result<bool> try_commit();
  void change_tiers(const std::vector<LiveSegment>& replaced);
  void retire_files();
  bool give_away();
  std::unique_ptr<MergeJob> job(std::vector<std::unique_ptr<EntrySource>> sources, std::uint32_t level, Jsn from, Jsn to);
  void note_damage(const MergeReport& report);
  Policy policy_of(StreamId stream) const;
  std::uint64_t random();

  world::Disk& disk_;
  world::Clock& clock_;
  KeeperOptions options_;
  SealedFiles& sealed_files_;
  SegmentFiles& segment_files_;
  View& view_;
  SpareMaker& spare_maker_;
  mutable std::mutex policies_mutex_;
  Policies policies_;
  KeeperCounters counters_;
  std::optional<Error> broken_;
  std::int64_t retry_ns_ = 0;
  std::uint64_t random_state_ = 0;

  Manifest manifest_;
  bool manifest_damaged_ = false;
  CheckpointFacts checkpoint_;
  std::deque<SealedFile> files_;  // sealed, and not given away yet
  std::uint64_t unsorted_bytes_ = 0;
  std::int64_t unsorted_since_ns_ = 0;
  std::set<std::uint64_t> damaged_files_, damaged_segments_;

  std::unique_ptr<MergeJob> merge_;
  std::vector<SealedFile> sorting_;  // what the job reads: these files, or
  std::vector<LiveSegment> merging_;  // these segments
  // A disk that refuses to read now may be better later: damage is believed when it is found twice.
  std::vector<EntryDamage> last_damage_;
  std::int64_t believe_damage_ns_ = 0;
  bool disk_was_full_ = false;
  bool compacting_ = false;          // `merge_` has all runs of the compacted class
  std::unique_ptr<CheckpointMaker> cover_;
  std::unique_ptr<SegmentLiveness> check_;
  std::unique_ptr<Sweep> sweep_;
  std::map<std::uint64_t, std::int64_t> marked_segments_;  // with something that is not wanted, by number: since when (monotonic)
  std::map<std::uint64_t, std::int64_t> checked_segments_; // of those: looked at, and left as they are until then
  std::int64_t next_sweep_ns_ = 0;
  std::function<void(Append)> append_;
  // The furthest that the wall clock was ever believed to be ahead of the monotonic one, when something was to be deleted by it.
  std::int64_t clock_offset_ms_ = 0;
  std::int64_t clock_doubted_since_ns_ = 0;
  bool clock_known_ = false;
  std::optional<Manifest> next_manifest_;
  std::move_only_function<void()> then_;
  std::deque<Retired> retired_files_, retired_segments_;
};

}  // namespace tidemill::log
