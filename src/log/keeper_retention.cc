// The Keeper's second half: what is not wanted any more.
#include <algorithm>

#include "log/entry_source.h"
#include "log/keeper.h"

namespace tidemill::log {
namespace {

constexpr std::int64_t ns_per_ms = 1'000'000;
constexpr std::size_t marks_per_append = 1000;
constexpr std::int64_t clock_step_ms = 60'000;        // a step that is smaller is believed at once
constexpr std::int64_t clock_trust_ns = 3'600'000'000'000;  // a larger one when it has stayed for so long

}  // namespace

// ---- compaction

// All runs of the class together, oldest first, when those that were never compacted are enough of them. Nothing older than the first
// can lie elsewhere, except what a stream left in another class.
bool Keeper::begin_compaction(const Tiers& tiers) {
  std::vector<Run> runs;
  std::uint64_t bytes = 0, dirty = 0;
  for (auto& run : tiers.runs) {
    if (run.retention_class != class_compacted) continue;
    runs.push_back(run);
    for (auto& segment : run.segments) {
      bytes += segment.data_end;
      if (run.level == 0) dirty += segment.data_end;
    }
  }
  if (dirty == 0 || static_cast<double>(dirty) < options_.compact_dirty_ratio * static_cast<double>(bytes)) return false;
  compacting_ = true;
  merge_ = merge_of(runs, 1);
  return true;
}

std::optional<CompactionPolicy> Keeper::compaction_of(StreamId stream) const {
  auto policy = policy_of(stream);
  if (!compacting_ || !policy.compact) return std::nullopt;
  CompactionPolicy compaction;
  compaction.min_lag_ms = policy.min_compaction_lag_ms;
  compaction.delete_retention_ms = policy.delete_retention_ms;
  compaction.from_start = true;
  for (auto& run : view_.tiers()->runs)
    for (auto& segment : run.segments)
      if (run.retention_class != class_compacted && segment.may_hold(stream)) {
        auto held = segment_files_.contains(segment, stream);
        if (!held || *held) compaction.from_start = false;
      }
  return compaction;
}

// ---- bytes of what was trimmed or forgotten

void Keeper::note_marked() {
  auto streams = view_.take_marked();
  if (streams.empty()) return;
  std::sort(streams.begin(), streams.end());
  streams.erase(std::unique(streams.begin(), streams.end()), streams.end());
  auto now = clock_.monotonic_ns();
  for (auto& segment : manifest_.segments) {
    bool any = std::any_of(std::lower_bound(streams.begin(), streams.end(), segment.first_stream),
                           std::upper_bound(streams.begin(), streams.end(), segment.last_stream), [&](StreamId stream) {
                             auto held = segment_files_.contains(segment, stream);
                             return !held || *held;
                           });
    if (!any) continue;
    marked_segments_.try_emplace(segment.number, now);
    checked_segments_.erase(segment.number);
  }
}

bool Keeper::begin_check() {
  auto now = clock_.monotonic_ns();
  for (auto& [number, since] : marked_segments_) {
    if (auto checked = checked_segments_.find(number); checked != checked_segments_.end() && now < checked->second) continue;
    auto segment = std::find_if(manifest_.segments.begin(), manifest_.segments.end(), [&](auto& s) { return s.number == number; });
    if (segment == manifest_.segments.end()) {
      marked_segments_.erase(number);
      return true;
    }
    auto scan = segment_files_.scan(*segment);
    if (!scan) {
      checked_segments_[number] = now + 60'000 * ns_per_ms;  // the others need not wait for it
      continue;
    }
    check_ = std::make_unique<SegmentLiveness>(*segment, std::move(*scan), [this](StreamId stream) { return view_.keep_of(stream); });
    return true;
  }
  return false;
}

// All of it goes at once; a half, or a little that has waited long enough, by writing the rest anew.
Result<bool> Keeper::advance_check() {
  if (check_->step()) return true;
  auto check = std::exchange(check_, nullptr);
  auto number = check->info().number;
  auto delete_at = marked_segments_[number] + options_.delete_after_ms * ns_per_ms;
  checked_segments_[number] = delete_at;
  if (check->dead() == 0) {
    marked_segments_.erase(number);
    return true;
  }
  auto tiers = view_.tiers();
  for (auto& run : tiers->runs)
    for (auto& segment : run.segments) {
      if (segment.number != number) continue;
      if (check->dead() == check->total()) {
        auto next = manifest_;
        std::erase_if(next.segments, [&](auto& s) { return s.number == number; });
        commit(std::move(next), [this, segment] { change_tiers({segment}); });
      } else if (check->dead() * 2 >= check->total() || clock_.monotonic_ns() >= delete_at) {
        std::vector<std::unique_ptr<EntrySource>> sources;
        sources.push_back(segment_source(segment_files_, {segment}));
        merging_ = {segment};
        merge_ = job(std::move(sources), run.level, run.from, run.to);
      }
      return true;
    }
  return true;
}

// ---- retention

bool Keeper::begin_sweep() {
  if (clock_.monotonic_ns() < next_sweep_ns_) return false;
  next_sweep_ns_ = clock_.monotonic_ns() + options_.sweep_interval_ms * ns_per_ms;
  {
    std::lock_guard hold(policies_mutex_);
    if (!policies_ || !append_) return false;
  }
  auto now = trusted_now_ms();
  std::vector<LiveSegment> old_enough;
  for (auto& run : view_.tiers()->runs) {
    auto longest = retention_ms_max(run.retention_class);
    for (auto& segment : run.segments) {
      bool timed = longest >= 0 && segment.oldest_ms < now - longest / 2;
      if (timed || run.retention_class == class_compacted) old_enough.push_back(segment);
    }
  }
  sweep_ = std::make_unique<Sweep>(view_, sealed_files_, segment_files_, [this](StreamId stream) { return policy_of(stream); }, now, std::move(old_enough));
  return true;
}

Result<bool> Keeper::advance_sweep() {
  TRY_ASSIGN(more, sweep_->step());
  auto marks = sweep_->take_marks();
  counters_.streams_trimmed += marks.size();
  for (std::size_t at = 0; at < marks.size(); at += marks_per_append) {
    Append append;
    append.purpose = Purpose::control;
    append.marks.assign(marks.begin() + static_cast<std::ptrdiff_t>(at), marks.begin() + static_cast<std::ptrdiff_t>(std::min(marks.size(), at + marks_per_append)));
    append_(std::move(append));
  }
  if (!more) {
    sweep_.reset();
    ++counters_.sweeps;
  }
  return true;
}

// What was written last says what the clock said then.
void Keeper::believe_clock_since(const Recovered& recovered) {
  std::int64_t newest = 0;
  for (auto& segment : manifest_.segments) newest = std::max(newest, segment.newest_append_ms);
  if (!recovered.rows.groups.empty()) newest = std::max(newest, recovered.rows.groups.back().time_ms);
  if (newest == 0) return;
  clock_known_ = true;
  clock_offset_ms_ = newest - clock_.monotonic_ns() / ns_per_ms;
}

// Nothing is deleted because a clock has jumped ahead: beyond where it was once believed to be, a step is believed when it has stayed
// for an hour. A step back is believed at once, for it only keeps more.
std::int64_t Keeper::trusted_now_ms() {
  auto monotonic = clock_.monotonic_ns();
  auto offset = clock_.now_ms() - monotonic / ns_per_ms;
  if (!std::exchange(clock_known_, true)) clock_offset_ms_ = offset;
  if (offset - clock_offset_ms_ > clock_step_ms) {
    if (clock_doubted_since_ns_ == 0) clock_doubted_since_ns_ = monotonic;
    if (monotonic - clock_doubted_since_ns_ < clock_trust_ns) return clock_offset_ms_ + monotonic / ns_per_ms;
  }
  clock_doubted_since_ns_ = 0;
  clock_offset_ms_ = std::max(clock_offset_ms_, offset);
  return offset + monotonic / ns_per_ms;
}

}  // namespace tidemill::log
