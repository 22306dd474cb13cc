// How a run of the log begins: recovery, making what was recovered durable, and the group that starts the incarnation.
#include "base/check.h"
#include "log/core.h"
#include "log/keeper.h"
#include "log/scan.h"

namespace tidemill::log {
namespace {

// Writes [from, to) of a file over itself.
Result<void> rewrite(world::File& file, std::uint64_t from, std::uint64_t to) {
  constexpr std::uint64_t piece_max = 1u << 20;
  std::string bytes;
  for (; from < to; from += bytes.size()) {
    bytes.resize(std::min(piece_max, to - from));
    TRY_ASSIGN(got, file.read_at(from, std::as_writable_bytes(std::span(bytes))));
    if (got != bytes.size()) return fail(Code::io, "the journal became shorter while it was read");
    TRY(file.write_at(from, as_bytes(bytes)));
  }
  return {};
}

// Writes the groups again that nobody is known to have synced. They may be in the page cache only, and after a sync that failed
// the system believes them to be on disk: a sync without a write would do nothing.
Result<void> rewrite_tail(const Recovered& recovered) {
  for (auto& group : recovered.rows.groups)
    if (group.jsn > recovered.durable) TRY(rewrite(*recovered.open->file, group.position, group.position + group.length));
  return recovered.open->file->sync_data();
}

}  // namespace

Result<std::unique_ptr<LogCore>> LogCore::open(world::Disk& disk, world::Clock& clock, CoreOptions options, SealedFiles& sealed_files,
                                               View& view, SpareMaker& spare_maker, Keeper& keeper, Watches& watches) {
  std::unique_ptr<LogCore> core(new LogCore(disk, clock, std::move(options), sealed_files, view, spare_maker, watches));
  TRY(core->start(keeper));
  return core;
}

Result<void> LogCore::start(Keeper& keeper) {
  auto begun = clock_.monotonic_ns();
  TRY(disk_.make_dirs(journal_folder(options_.dir)));
  TRY(disk_.make_dirs(segments_folder(options_.dir)));
  TRY(remove_unfinished());
  TRY_ASSIGN(recovered, recover(disk_, options_.dir, sealed_files_, options_.flaw));
  TRY(sync_recovered(recovered));
  TRY(keeper.start(recovered));
  producers_ = std::move(recovered.producers);
  incarnation_ = recovered.incarnation + 1;
  producers_.touch_all(clock_.monotonic_ns() / 1'000'000);
  leader_epoch_ = recovered.leader_epoch + (recovered.must_raise_epoch() ? 1 : 0);
  recovered.leader_epoch = leader_epoch_;
  next_ = recovered.next;
  synced_ = next_ - 1;
  next_number_ = std::max<std::uint64_t>(recovered.next_number, 1);
  open_ = recovered.open;
  open_first_jsn_ = recovered.rows.groups.empty() ? next_ : recovered.rows.groups.front().jsn;
  open_has_groups_ = !recovered.rows.groups.empty();
  open_rows_ = recovered.rows.batches.size() + recovered.rows.marked.size();
  open_groups_ = recovered.rows.groups.size();
  open_since_ns_ = clock_.monotonic_ns();
  spares_ = {std::make_move_iterator(recovered.spares.begin()), std::make_move_iterator(recovered.spares.end())};
  for (auto& [stream, state] : recovered.salvaged) owed_marks_.push_back({Mark::Kind::skip, stream, state.end});
  report_ = std::move(recovered.report);
  view_.start(recovered, synced_);
  auto file = open_ ? open_->number : 0;
  TRY(start_run());
  if (report_.tail_dropped && run_started() && open_->number == file) TRY(wipe_tail());
  report_.incarnation = incarnation_;
  report_.leader_epoch = leader_epoch_;
  report_.duration_ms = (clock_.monotonic_ns() - begun) / 1'000'000;
  return {};
}

// The newest seal, when nothing in the next file proves that it was synced. One that was rebuilt in memory has nothing to write.
Result<void> LogCore::rewrite_seal(const Footer& seal) {
  if (sealed_files_.is_rebuilt(seal.number)) return {};
  TRY_ASSIGN(file, disk_.open(journal_path(options_.dir, seal.number), world::Open::write));
  TRY_ASSIGN(bytes, file->size());
  TRY(rewrite(*file, seal.data_end, bytes));
  return file->sync_data();
}

Result<void> LogCore::remove_unfinished() {
  TRY_ASSIGN(names, disk_.list(journal_folder(options_.dir)));
  for (auto& name : names)
    if (name.ends_with(".tmp")) TRY(disk_.remove(journal_folder(options_.dir) + "/" + name));
  return {};
}

// What was read may only be in the page cache of a machine whose program was killed.
Result<void> LogCore::sync_recovered(const Recovered& recovered) {
  TRY(disk_.sync_dir(journal_folder(options_.dir)));
  TRY(disk_.sync_dir(segments_folder(options_.dir)));  // manifest and checkpoint: their bytes were synced before they got their names
  if (!recovered.sealed.empty() && recovered.rows.groups.empty()) TRY(rewrite_seal(recovered.sealed.back()));
  return recovered.open ? rewrite_tail(recovered) : Result<void>{};
}

// The new incarnation is durable before anything is appended under it. On a full disk that may have to wait: what is there can be
// read, and nothing is appended.
Result<void> LogCore::start_run() {
  TRY_ASSIGN(room, make_room_to_start());
  start_owed_ = !room;
  if (room) TRY(write_start());
  if (spares_.empty() && !spare_asked_ && !short_) want_spare(group_header_bytes, 0);
  return {};
}

Result<bool> LogCore::make_room_to_start() {
  auto group = group_header_bytes + owed_marks_.size() * entry_row_bytes;
  if (open_ && fits_open(group, owed_marks_.size(), 0)) return true;
  if (roll_for(group, owed_marks_.size())) return true;
  if (fatal_) return *fatal_;
  auto made = make_file();
  if (!made && made.error().code != Code::full) return made.error();
  if (!made) return false;
  if (roll_for(group, owed_marks_.size())) return true;
  return fatal_ ? *fatal_ : fail(Code::internal, "the journal has no file to go on in");
}

Result<void> LogCore::make_file() {
  want_spare(group_header_bytes + owed_marks_.size() * entry_row_bytes, owed_marks_.size());
  while (spare_maker_.step()) {}
  auto made = spare_maker_.take();
  CHECK(made.has_value());
  auto error = *made ? std::nullopt : std::optional(made->error());
  take_spare(std::move(*made));
  return error ? Result<void>(*error) : Result<void>{};
}

Result<void> LogCore::write_start() {
  Round round;
  round.time_ms = clock_.now_ms();
  round.flags = group_starts_run;
  round.marks = std::exchange(owed_marks_, {});
  write_group(round);
  if (!fatal_) sync();
  if (fatal_) return *fatal_;
  start_owed_ = false;
  entries_to_cover_ = true;  // this incarnation must not be given out again, even when its first group is damaged
  idle_since_ns_ = clock_.monotonic_ns();
  return {};
}

// Zeros over the groups of a tail that was dropped, once the start behind which they lie is on disk. Else every later start would
// find them again.
Result<void> LogCore::wipe_tail() {
  static const std::string zeros(block_bytes, '\0');
  FileScan scan(*open_->file, open_->bytes, open_->salt);
  for (auto at = scan.next_leftover(open_->position); at; at = scan.next_leftover(*at + block_bytes))
    TRY(open_->file->write_at(*at, as_bytes(zeros)));
  return open_->file->sync_data();
}

}  // namespace tidemill::log
