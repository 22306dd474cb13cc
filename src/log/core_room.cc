// Where groups go: opening a run, room in the open file, the spare, sealing and rolling over.
#include <fmt/core.h>

#include "base/check.h"
#include "log/core.h"

namespace tidemill::log {
namespace {

constexpr std::int64_t spare_retry_interval_ns = 1'000'000'000;
constexpr std::uint64_t slack_bytes = 8 * block_bytes;  // for groups without entries: starts of runs, marks of durability

std::uint64_t reserve_of(const CoreOptions& options) {
  return std::min<std::uint64_t>(4u << 20, options.journal_file_bytes / 8 / block_bytes * block_bytes);
}

std::uint64_t mixed(std::uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdull;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ull;
  return x ^ (x >> 33);
}

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
                                               View& view, SpareMaker& spare_maker, Watches& watches) {
  std::unique_ptr<LogCore> core(new LogCore(disk, clock, std::move(options), sealed_files, view, spare_maker, watches));
  TRY(core->start());
  return core;
}

Result<void> LogCore::start() {
  auto begun = clock_.monotonic_ns();
  TRY(disk_.make_dirs(journal_folder(options_.dir)));
  TRY(remove_unfinished());
  TRY_ASSIGN(recovered, recover(disk_, options_.dir, sealed_files_, options_.flaw));
  TRY(sync_recovered(recovered));
  producers_ = std::move(recovered.producers);
  incarnation_ = recovered.incarnation + 1;
  leader_epoch_ = recovered.leader_epoch + (recovered.report.tail_dropped || !recovered.report.corruption.empty() ? 1 : 0);
  recovered.leader_epoch = leader_epoch_;
  next_ = recovered.next;
  synced_ = next_ - 1;
  next_number_ = std::max<std::uint64_t>(recovered.next_number, 1);
  open_ = recovered.open;
  open_first_jsn_ = recovered.rows.groups.empty() ? next_ : recovered.rows.groups.front().jsn;
  open_has_groups_ = !recovered.rows.groups.empty();
  open_batches_ = recovered.rows.batches.size();
  open_groups_ = recovered.rows.groups.size();
  if (recovered.spare && (!open_ || recovered.spare->header.number > open_->number)) {
    spare_ = std::move(recovered.spare);
    spare_state_ = SpareState::ready;
  }
  report_ = std::move(recovered.report);
  view_.start(recovered, synced_);
  TRY(start_run());
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
  if (!recovered.sealed.empty() && recovered.rows.groups.empty()) TRY(rewrite_seal(recovered.sealed.back()));
  return recovered.open ? rewrite_tail(recovered) : Result<void>{};
}

// The new incarnation is durable before anything is appended under it.
Result<void> LogCore::start_run() {
  if (!open_ || !fits(open_->position, open_->bytes, false, group_header_bytes, 0, 0)) {
    if (spare_state_ != SpareState::ready || !fits_spare(group_header_bytes, 0)) TRY(make_first_file());
    if (!roll()) return fatal_ ? *fatal_ : fail(Code::internal, "the journal has no file to go on in");
  }
  Round round;
  round.time_ms = clock_.now_ms();
  round.flags = group_starts_run;
  write_group(round);
  if (!fatal_) sync();
  if (fatal_) return *fatal_;
  if (spare_state_ == SpareState::none) want_spare(group_header_bytes, 0);
  return {};
}

Result<void> LogCore::make_first_file() {
  spare_.reset();
  want_spare(group_header_bytes, 0);
  while (spare_maker_.step()) {}
  auto made = spare_maker_.take();
  CHECK(made.has_value());
  if (!*made) return made->error();
  spare_ = std::move(**made);
  spare_state_ = SpareState::ready;
  return {};
}

// ---- room

// Would a group fit at `position`, with the file's seal behind it? A fresh file has no rows of its own yet.
bool LogCore::fits(std::uint64_t position, std::uint64_t file_bytes, bool fresh, std::uint64_t group, std::uint64_t entries,
                   std::uint64_t reserve) const {
  auto seal = seal_bytes((fresh ? 0 : open_batches_) + entries, (fresh ? 0 : open_groups_) + 1,
                         view_.streams().size() + assigned_.size() + entries, producers_.size() + entries);
  return position + whole_blocks(group) + seal + reserve <= file_bytes;
}

bool LogCore::fits_open(std::uint64_t group, std::uint64_t entries, std::uint64_t reserve) const {
  return fits(open_->position, open_->bytes, false, group, entries, reserve);
}

bool LogCore::fits_spare(std::uint64_t group, std::uint64_t entries) const {
  return spare_ && fits(block_bytes, spare_->bytes, true, group, entries, slack_bytes);
}

LogCore::Room LogCore::room_for(const Round& round, const Waiting& waiting) {
  auto group = round.bytes + waiting.bytes;
  auto entries = round.entries.size() + waiting.append.entries.size();
  bool keep_reserve = spare_state_ != SpareState::ready && waiting.append.purpose == Purpose::data;
  if (fits_open(group, entries, slack_bytes + (keep_reserve ? reserve_of(options_) : 0))) return Room::yes;
  if (!round.entries.empty()) return Room::later;  // first write what is gathered
  if (spare_state_ == SpareState::ready) {
    if (fits_spare(group, entries)) return roll() ? Room::yes : Room::later;
    spare_.reset();  // too small for this one: make it anew
    want_spare(group, entries);
  }
  if (spare_state_ == SpareState::failed) return Room::full;
  return Room::later;
}

// Large enough for what waits, and for a checkpoint to be a small part of it.
std::uint64_t LogCore::fresh_file_bytes(std::uint64_t group, std::uint64_t entries) const {
  auto seal = seal_bytes(entries, 1, view_.streams().size() + assigned_.size() + entries, producers_.size() + entries);
  auto needed = block_bytes + whole_blocks(group) + 3 * seal + slack_bytes + reserve_of(options_);
  return whole_blocks(std::max(options_.journal_file_bytes, needed));
}

void LogCore::want_spare(std::uint64_t group, std::uint64_t entries) {
  if (spare_state_ != SpareState::failed) spare_state_ = SpareState::making;
  auto number = spare_wish_.number != 0 ? spare_wish_.number : next_number_++;
  spare_wish_.number = number;
  spare_wish_.incarnation = incarnation_;
  spare_wish_.created_ms = clock_.now_ms();
  spare_wish_.salt = mixed(mixed(static_cast<std::uint64_t>(clock_.monotonic_ns())) ^ mixed(number) ^ static_cast<std::uint64_t>(spare_wish_.created_ms));
  spare_wish_.file_bytes = fresh_file_bytes(group, entries);
  spare_maker_.want(spare_wish_);
}

// Fetches a finished spare; asks again when the last try met a full disk. A log that was refusing goes on refusing until a spare
// is there, so that its clients are not kept waiting for every try.
bool LogCore::poll_spare() {
  if (spare_state_ != SpareState::making && spare_state_ != SpareState::failed) return false;
  if (auto made = spare_maker_.take()) {
    if (*made) {
      spare_ = std::move(**made);
      spare_state_ = SpareState::ready;
    } else {
      ++counters_.spare_failures;
      spare_state_ = SpareState::failed;
      spare_retry_ns_ = clock_.monotonic_ns() + spare_retry_interval_ns;
    }
    return true;
  }
  if (spare_state_ == SpareState::failed && clock_.monotonic_ns() >= spare_retry_ns_) {
    spare_retry_ns_ = clock_.monotonic_ns() + spare_retry_interval_ns;
    want_spare(group_header_bytes, 0);
  }
  return false;
}

// ---- rolling over

// Seals the open file and goes on in the spare. False when that failed for good.
bool LogCore::roll() {
  CHECK(spare_.has_value());
  std::optional<Footer> footer;
  if (open_) {
    if (!unpublished_.empty()) sync();  // a good footer means that all data before it is on disk
    if (fatal_ || !seal_open_file(footer.emplace())) return false;
    sealed_files_.remember_file(open_->number, open_->file);
  }
  open_ = OpenFile{spare_->header.number, spare_->header.salt, spare_->bytes, block_bytes, spare_->file};
  open_first_jsn_ = next_;
  open_has_groups_ = false;
  open_batches_ = open_groups_ = 0;
  view_.switch_file(footer, *open_);
  spare_.reset();
  spare_state_ = SpareState::none;
  spare_wish_.number = 0;
  want_spare(group_header_bytes, 0);
  return true;
}

bool LogCore::seal_open_file(Footer& footer) {
  producers_.forget_before(clock_.now_ms() - options_.producer_forget_ms);
  footer.number = open_->number;
  footer.salt = open_->salt;
  footer.data_end = open_->position;
  footer.first_jsn = open_first_jsn_;
  footer.next_jsn = next_;
  footer.incarnation = incarnation_;
  footer.leader_epoch = leader_epoch_;
  SealContent content;
  auto& rows = view_.rows();
  content.batches.assign(rows.batches.begin(), rows.batches.end());
  content.groups = rows.groups;
  content.streams.reserve(view_.streams().size());
  for (auto& [id, s] : view_.streams()) content.streams.push_back({id, s.end, s.max_timestamp, s.tenant});
  for (auto& [key, window] : producers_.windows()) content.producers.push_back({key, window});
  auto pages = encode_seal(content, footer);
  auto last = open_->bytes - block_bytes;
  CHECK(open_->position + pages.size() <= last, "seal of {} bytes at {} in {}", pages.size(), open_->position, open_->bytes);
  auto written = open_->file->write_at(open_->position, as_bytes(pages));
  if (written) written = open_->file->write_at(last, as_bytes(encode_footer(footer)));
  if (written) written = open_->file->sync_data();
  if (!written) die(std::move(written).error());
  ++counters_.syncs;
  ++counters_.files_sealed;
  return !fatal_;
}

}  // namespace tidemill::log
