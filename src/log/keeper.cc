#include "log/keeper.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/check.h"
#include "log/entry_source.h"

namespace tidemill::log {
namespace {

constexpr std::int64_t retry_interval_ns = 1'000'000'000;
constexpr std::int64_t damage_doubt_ns = 60'000'000'000;  // a disk that cannot be read now may be readable again
constexpr std::uint64_t bytes_per_stream = 2 * (StreamRow::bytes + 2);  // of a checkpoint

// A run's segments follow each other by stream, except where a stream's class was changed: then several jobs have made them.
std::vector<std::vector<SegmentInfo>> chains_of(const Run& run) {
  std::vector<std::vector<SegmentInfo>> chains;
  for (auto& segment : run.segments) {
    auto fits = [&](auto& chain) { return chain.back().last_stream < segment.first_stream; };
    auto chain = std::find_if(chains.begin(), chains.end(), fits);
    if (chain == chains.end()) chain = chains.insert(chains.end(), std::vector<SegmentInfo>{});
    chain->push_back(segment);
  }
  return chains;
}

bool is_sorted(const Footer& file, const Manifest& manifest) { return file.next_jsn <= manifest.sorted; }

}  // namespace

Keeper::Keeper(world::Disk& disk, world::Clock& clock, KeeperOptions options, SealedFiles& sealed_files, SegmentFiles& segment_files, View& view,
               SpareMaker& spare_maker)
    : disk_(disk), clock_(clock), options_(std::move(options)), sealed_files_(sealed_files), segment_files_(segment_files), view_(view),
      spare_maker_(spare_maker) {}

Result<void> Keeper::start(const Recovered& recovered) {
  random_state_ = static_cast<std::uint64_t>(clock_.now_ms()) ^ (recovered.incarnation.value << 40);
  manifest_ = recovered.manifest;
  manifest_damaged_ = recovered.manifest_damaged;
  next_sweep_ns_ = clock_.monotonic_ns() + options_.sweep_interval_ms * 1'000'000;
  checkpoint_ = recovered.checkpoint;
  believe_clock_since(recovered);
  for (auto& damage : recovered.report.corruption) damaged_files_.insert(damage.file);
  for (auto number : recovered.leftover_files) spare_maker_.offer(number);
  for (auto& footer : recovered.sealed)
    if (is_sorted(footer, manifest_)) files_.emplace_back(footer);
  std::set<std::string> alive;
  for (auto& segment : manifest_.segments) alive.insert(segment_name(segment.number));
  TRY_ASSIGN(names, disk_.list(segments_folder(options_.dir)));
  for (auto& name : names)
    if (name.ends_with(".tmp") || (number_of_segment_name(name) && !alive.contains(name))) TRY(disk_.remove(segments_folder(options_.dir) + "/" + name));
  return {};
}

void Keeper::set_policies(Policies policies) {
  std::lock_guard hold(policies_mutex_);
  policies_ = std::move(policies);
}

Policy Keeper::policy_of(StreamId stream) const {
  std::lock_guard hold(policies_mutex_);
  return policies_ ? policies_(stream) : Policy{};
}

std::uint64_t Keeper::random() {
  random_state_ += 0x9E3779B97F4A7C15ull;
  auto x = random_state_ ^ static_cast<std::uint64_t>(clock_.monotonic_ns());
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

bool Keeper::step() {
  if (broken_) return false;
  if (give_away()) return true;
  if (retry_ns_ != 0 && clock_.monotonic_ns() < retry_ns_) return false;
  retry_ns_ = 0;
  auto worked = advance();
  if (worked) return *worked;
  ++counters_.failures;
  disk_was_full_ = worked.error().code == Code::full;
  // Nobody knows which checkpoint is on disk, or whether the disk can be written at all.
  if (cover_ && worked.error().code == Code::io) broken_ = worked.error();
  if (options_.on_failure) options_.on_failure(worked.error());
  for (auto number : sealed_files_.take_bad())
    for (auto& file : files_)
      if (file.number == number) (void)rebuild_seal(sealed_files_, file);  // a failure shows when the page is read again
  merge_.reset();
  cover_.reset();
  check_.reset();
  sweep_.reset();
  compacting_ = false;
  sorting_.clear();
  merging_.clear();
  retry_ns_ = clock_.monotonic_ns() + retry_interval_ns;
  if (worked.error().code == Code::corrupt && clock_.monotonic_ns() < believe_damage_ns_) retry_ns_ = believe_damage_ns_;
  return false;
}

std::optional<std::int64_t> Keeper::next_wakeup_ns() const {
  if (broken_) return std::nullopt;
  if (retry_ns_ != 0) return retry_ns_;
  if (!retired_files_.empty() || !retired_segments_.empty()) return clock_.monotonic_ns() + retry_interval_ns;
  auto at = next_sweep_ns_;
  if (unsorted_since_ns_ != 0) at = std::min(at, unsorted_since_ns_ + options_.sort_after_ms * 1'000'000);
  return at;
}

Result<bool> Keeper::advance() {
  if (next_manifest_) return try_commit();
  if (merge_) return advance_merge();
  if (cover_) return advance_cover();
  if (check_) return advance_check();
  if (sweep_) return advance_sweep();
  return begin();
}

Result<bool> Keeper::begin() {
  notice_sealed();
  if (manifest_damaged_) {
    manifest_damaged_ = false;
    commit(manifest_, [] {});
    return true;
  }
  // What frees room comes first on a disk without any.
  if (std::exchange(disk_was_full_, false)) {
    note_marked();
    if (begin_check() || begin_sweep()) return true;
  }
  if (begin_sort() || begin_cover()) return true;
  note_marked();
  if (!marked_segments_.empty() && begin_check()) return true;
  return begin_merge() || begin_sweep();
}

void Keeper::notice_sealed() {
  auto tiers = view_.tiers();
  for (auto& file : tiers->sealed)
    if (files_.empty() || file.number > files_.back().number) files_.push_back(file);
  unsorted_bytes_ = 0;
  for (auto& file : files_) unsorted_bytes_ += is_sorted(file, manifest_) ? 0 : file.data_end;
  bool unsorted = unsorted_bytes_ > 0;
  if (!unsorted) unsorted_since_ns_ = 0;
  else if (unsorted_since_ns_ == 0) unsorted_since_ns_ = clock_.monotonic_ns();
}

// ---- sorting and merging

bool Keeper::begin_sort() {
  std::uint64_t bytes = 0;
  for (auto& file : files_) {
    if (is_sorted(file, manifest_) || bytes >= options_.sort_bytes) continue;
    sorting_.push_back(file);
    bytes += file.data_end;
  }
  bool waited = unsorted_since_ns_ != 0 && clock_.monotonic_ns() - unsorted_since_ns_ >= options_.sort_after_ms * 1'000'000;
  if (sorting_.empty() || (bytes < options_.sort_bytes && !waited)) {
    sorting_.clear();
    return false;
  }
  std::vector<std::unique_ptr<EntrySource>> sources;
  for (auto& file : sorting_) sources.push_back(journal_source(sealed_files_, sealed_files_.current(file)));
  merge_ = job(std::move(sources), 0, manifest_.sorted, sorting_.back().next_jsn);
  return true;
}

// The first level that has enough runs of a class. Compacted ones are merged when enough of them is new, and then all.
bool Keeper::begin_merge() {
  auto tiers = view_.tiers();
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<Run>> by_level;
  for (auto& run : tiers->runs)
    if (run.retention_class != class_compacted) by_level[{run.level, run.retention_class}].push_back(run);
  for (auto& [key, runs] : by_level) {
    if (runs.size() < options_.merge_runs) continue;
    runs.resize(options_.merge_runs);
    merge_ = merge_of(runs, key.first + 1);
    return true;
  }
  return begin_compaction(*tiers);
}

std::unique_ptr<MergeJob> Keeper::merge_of(const std::vector<Run>& runs, std::uint32_t level) {
  std::vector<std::unique_ptr<EntrySource>> sources;
  for (auto& run : runs) {
    for (auto& chain : chains_of(run)) sources.push_back(segment_source(segment_files_, std::move(chain)));
    merging_.insert(merging_.end(), run.segments.begin(), run.segments.end());
  }
  return job(std::move(sources), level, runs.front().from, runs.back().to);
}

std::unique_ptr<MergeJob> Keeper::job(std::vector<std::unique_ptr<EntrySource>> sources, std::uint32_t level, Jsn from, Jsn to) {
  MergeSettings settings;
  settings.dir = options_.dir;
  settings.level = level;
  settings.from = from;
  settings.to = to;
  settings.purged_to = view_.durable_jsn() + 1;
  settings.now_ms = trusted_now_ms();
  settings.segment_bytes_max = options_.segment_bytes_max;
  settings.class_of = [this](StreamId stream) { return retention_class(policy_of(stream)); };
  settings.keep_of = [this](StreamId stream) { return view_.keep_of(stream); };
  settings.compaction_of = [this](StreamId stream) { return compaction_of(stream); };
  settings.next_number = [this] { return manifest_.next_segment++; };
  settings.random = [this] { return random(); };
  return std::make_unique<MergeJob>(disk_, std::move(settings), std::move(sources));
}

Result<bool> Keeper::advance_merge() {
  TRY_ASSIGN(more, merge_->step());
  if (more) return true;
  compacting_ = false;
  auto report = merge_->take();
  if (!report.damage.empty() && (report.damage != last_damage_ || clock_.monotonic_ns() < believe_damage_ns_)) {
    if (report.damage != last_damage_) believe_damage_ns_ = clock_.monotonic_ns() + damage_doubt_ns;
    last_damage_ = report.damage;
    for (auto& segment : report.segments) (void)disk_.remove(segment_path(options_.dir, segment.number));  // else the next start does it
    return fail(Code::corrupt, fmt::format("{} is damaged", report.damage.front().file));
  }
  finish_merge(std::move(report));
  return true;
}

void Keeper::finish_merge(MergeReport report) {
  merge_.reset();
  std::set<std::uint64_t> replaced;
  for (auto& segment : merging_) replaced.insert(segment.number);
  auto next = manifest_;
  auto is_replaced = [&](auto& segment) { return replaced.contains(segment.number); };
  auto place = std::find_if(next.segments.begin(), next.segments.end(), is_replaced);  // the order among equals stays
  next.segments.insert(place, report.segments.begin(), report.segments.end());
  std::erase_if(next.segments, is_replaced);
  if (!sorting_.empty()) {
    next.sorted = sorting_.back().next_jsn;
    counters_.files_sorted += sorting_.size();
    counters_.sorted_bytes += report.bytes_written;
    unsorted_since_ns_ = 0;
  } else {
    counters_.segments_merged += merging_.size();
    counters_.merged_bytes += report.bytes_written;
  }
  counters_.records_compacted += report.compaction.records_removed;
  sorting_.clear();
  commit(std::move(next), [this, replaced = std::exchange(merging_, {}), report = std::move(report)] {
    note_damage(report);
    change_tiers(replaced);
  });
}

// What was found twice. A damaged file keeps its evidence. Damage in a segment that was merged stays visible as a gap, and its file as well.
void Keeper::note_damage(const MergeReport& report) {
  counters_.damaged += report.damage.size();
  for (auto& damage : report.damage) {
    if (options_.on_damage) options_.on_damage(damage);
    auto name = damage.file.substr(damage.file.rfind('/') + 1);
    if (auto number = number_of_journal_name(name)) damaged_files_.insert(*number);
    if (auto number = number_of_segment_name(name)) damaged_segments_.insert(*number);
  }
}

// As the manifest says now; what stays keeps its Hold.
void Keeper::change_tiers(const std::vector<LiveSegment>& replaced) {
  view_.change_tiers([&](Tiers& tiers) {
    std::map<std::uint64_t, Hold> holds;
    for (auto& run : tiers.runs)
      for (auto& segment : run.segments) holds[segment.number] = segment.held;
    tiers.runs = runs_of(manifest_.segments);
    for (auto& run : tiers.runs)
      for (auto& segment : run.segments)
        if (auto held = holds.find(segment.number); held != holds.end()) segment.held = held->second;
    std::erase_if(tiers.sealed, [&](auto& file) { return is_sorted(file, manifest_); });
    tiers.first_group = manifest_.sorted;
  });
  for (auto& segment : replaced) {
    marked_segments_.erase(segment.number);
    retired_segments_.push_back({segment.number, segment.held});
  }
  retire_files();
}

// ---- checkpoint

// Now, when it is small beside what waits for it.
bool Keeper::begin_cover() {
  std::vector<Footer> waiting;
  std::uint64_t bytes = 0;
  bool any_sorted = false;
  for (auto& file : files_)
    if (file.number > checkpoint_.journal_file) {
      waiting.push_back(file);
      bytes += file.data_end;
      any_sorted |= is_sorted(file, manifest_);
    }
  if (!any_sorted || bytes < 2 * bytes_per_stream * checkpoint_.streams) return false;
  cover_ = std::make_unique<CheckpointMaker>(disk_, options_.dir, sealed_files_, std::move(waiting), random(), options_.producers);
  return true;
}

Result<bool> Keeper::advance_cover() {
  TRY_ASSIGN(done, cover_->step());
  if (!done) return true;
  checkpoint_ = cover_->facts();
  cover_.reset();
  ++counters_.checkpoints;
  retire_files();
  return true;
}

// ---- the manifest

void Keeper::commit(Manifest next, std::move_only_function<void()> then) {
  CHECK(!next_manifest_);
  next_manifest_ = std::move(next);
  then_ = std::move(then);
}

// A full disk is met before anything is renamed. After any other failure nobody knows which manifest is on disk, and only the next
// start can find out.
Result<bool> Keeper::try_commit() {
  next_manifest_->next_segment = manifest_.next_segment;
  auto written = write_manifest(disk_, options_.dir, *next_manifest_, random());
  if (!written && written.error().code != Code::full) broken_ = written.error();
  TRY(written);
  manifest_ = std::move(*next_manifest_);
  next_manifest_.reset();
  std::exchange(then_, nullptr)();
  return true;
}

// ---- what is not needed any more

// Files that are sorted and covered, once the manifest says that they may be gone.
void Keeper::retire_files() {
  auto first = manifest_.first_file;
  for (auto& file : files_)
    if (is_sorted(file, manifest_) && file.number <= checkpoint_.journal_file) first = file.number + 1;
  if (first == manifest_.first_file) return;
  auto next = manifest_;
  next.first_file = first;
  commit(std::move(next), [this] {
    for (; !files_.empty() && files_.front().number < manifest_.first_file; files_.pop_front())
      retired_files_.push_back({files_.front().number, files_.front().held});
  });
}

// One that nobody reads any more.
bool Keeper::give_away() {
  auto unread = [](const Retired& r) { return r.held.expired(); };
  if (auto file = std::find_if(retired_files_.begin(), retired_files_.end(), unread); file != retired_files_.end()) {
    auto number = file->number;
    retired_files_.erase(file);
    sealed_files_.forget(number);
    if (damaged_files_.contains(number)) {
      auto path = journal_path(options_.dir, number);
      (void)disk_.rename(path, path + ".damaged");  // else it stays, and the next start tries again
    } else {
      spare_maker_.offer(number);
      ++counters_.files_reused;
    }
    return true;
  }
  if (auto segment = std::find_if(retired_segments_.begin(), retired_segments_.end(), unread); segment != retired_segments_.end()) {
    auto number = segment->number;
    retired_segments_.erase(segment);
    segment_files_.forget(number);
    auto path = segment_path(options_.dir, number);
    (void)(damaged_segments_.contains(number) ? disk_.rename(path, path + ".damaged") : disk_.remove(path));
    ++counters_.segments_removed;
    return true;
  }
  return false;
}

}  // namespace tidemill::log
