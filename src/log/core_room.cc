// Where groups go: room in the open file, the spares, sealing and rolling over.
#include <fmt/core.h>

#include "base/check.h"
#include "log/core.h"

namespace tidemill::log {
namespace {

constexpr std::int64_t spare_retry_interval_ns = 1'000'000'000;
constexpr std::uint64_t slack_bytes = 8 * block_bytes;  // for groups without entries: starts of runs, marks of durability

// What data leaves of the last file for positions, deletes and definitions while no next one can be made.
std::uint64_t reserve_of(const CoreOptions& options) {
  return std::min<std::uint64_t>(16u << 20, options.journal_file_bytes / 8 / block_bytes * block_bytes);
}

std::uint64_t mixed(std::uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdull;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ull;
  return x ^ (x >> 33);
}

}  // namespace

// Would a group fit at `position`, with the file's seal behind it? A fresh file has no rows of its own yet.
bool LogCore::fits(std::uint64_t position, std::uint64_t file_bytes, bool fresh, std::uint64_t group, std::uint64_t entries,
                   std::uint64_t reserve) const {
  auto unpublished = assigned_.size() + forgetting_.size() + entries;
  auto& rows = view_.rows();
  auto seal = fresh ? seal_bytes(entries, 1, entries, entries)
                    : seal_bytes(open_rows_ + entries, open_groups_ + 1, rows.by_stream.size() + rows.marked.size() + unpublished,
                                 producers_.changed_count() + entries);
  return position + whole_blocks(group) + seal + reserve <= file_bytes;
}

bool LogCore::fits_open(std::uint64_t group, std::uint64_t entries, std::uint64_t reserve) const {
  return fits(open_->position, open_->bytes, false, group, entries, reserve);
}

bool LogCore::fits_spare(const PreparedFile& spare, std::uint64_t group, std::uint64_t entries) const {
  return fits(block_bytes, spare.bytes, true, group, entries, slack_bytes);
}

LogCore::Room LogCore::room_for(const Round& round, const Waiting& waiting) {
  if (start_owed_) return Room::full;
  auto group = round.bytes + waiting.bytes;
  auto entries = round.table_rows() + waiting.append.entries.size() + waiting.append.marks.size();
  bool keep_reserve = spares_.empty() && waiting.append.purpose == Purpose::data;
  if (fits_open(group, entries, slack_bytes + (keep_reserve ? reserve_of(options_) : 0))) return Room::yes;
  if (!round.empty()) return Room::later;  // first write what is gathered
  if (roll_for(group, entries)) return Room::yes;
  return fatal_ ? Room::later : ask_for_room(group, entries);
}

// Goes on in the first spare that is large enough; the ones before it are closed as they are.
bool LogCore::roll_for(std::uint64_t group, std::uint64_t entries) {
  auto fit = std::find_if(spares_.begin(), spares_.end(), [&](auto& spare) { return fits_spare(spare, group, entries); });
  if (fit == spares_.end()) return false;
  for (auto rolls = fit - spares_.begin() + 1; rolls > 0; --rolls)
    if (!roll()) return false;
  return true;
}

// No file has room. A batch that is larger than the usual file waits for one of its own, made beside the spare that is there;
// when that cannot be made, it alone is refused.
LogCore::Room LogCore::ask_for_room(std::uint64_t group, std::uint64_t entries) {
  if (short_) return Room::full;
  if (spare_asked_) return Room::later;
  auto needed = fresh_file_bytes(group, entries);
  bool failed = larger_failed_ > 0 && needed >= larger_failed_ && clock_.monotonic_ns() < larger_retry_ns_;
  if (!spares_.empty() && failed) return Room::full;
  want_spare(group, entries);
  return Room::later;
}

Error LogCore::no_room() const {
  if (short_ && short_->code != Code::full)
    return fail(Code::full, fmt::format("the next journal file under \"{}\" cannot be made: {}", options_.dir, short_->message),
                "check the disk; writing resumes by itself");
  return fail(Code::full, fmt::format("the disk under \"{}\" is full", options_.dir), "free some space; writing resumes by itself");
}

Error LogCore::too_large_for_disk() const {
  return fail(Code::full, fmt::format("the disk under \"{}\" has no room for a journal file of {} bytes, which this batch needs", options_.dir, larger_failed_),
              "send smaller batches, or free some space");
}

std::optional<Error> LogCore::refusing() const {
  if (fatal_) return fatal_;
  if (start_owed_) return no_room();
  bool little_left = !fits_open(group_header_bytes + entry_row_bytes + block_bytes, 1, slack_bytes + reserve_of(options_));
  if (short_ && spares_.empty() && (refused_ || little_left)) return no_room();
  return std::nullopt;
}

// Large enough for what waits.
std::uint64_t LogCore::fresh_file_bytes(std::uint64_t group, std::uint64_t entries) const {
  auto seal = seal_bytes(entries, 1, entries, entries);
  auto needed = block_bytes + whole_blocks(group) + seal + slack_bytes + reserve_of(options_);
  return whole_blocks(std::max(options_.journal_file_bytes, needed));
}

void LogCore::want_spare(std::uint64_t group, std::uint64_t entries) {
  CHECK(!spare_asked_, "a file is being made already");  // the maker would throw it away
  auto number = spare_wish_.number != 0 ? spare_wish_.number : next_number_++;
  spare_wish_.number = number;
  spare_wish_.incarnation = incarnation_;
  spare_wish_.created_ms = clock_.now_ms();
  spare_wish_.salt = mixed(mixed(static_cast<std::uint64_t>(clock_.monotonic_ns())) ^ mixed(number) ^ static_cast<std::uint64_t>(spare_wish_.created_ms));
  spare_wish_.file_bytes = fresh_file_bytes(group, entries);
  spare_asked_ = true;
  spare_maker_.want(spare_wish_);
}

// Fetches a finished spare; asks again when the last try met a full disk. A log that was refusing goes on refusing until a spare
// is there, so that its clients are not kept waiting for every try.
bool LogCore::poll_spare() {
  if (spare_asked_) {
    auto made = spare_maker_.take();
    return made && take_spare(std::move(*made));
  }
  if (short_ && clock_.monotonic_ns() >= spare_retry_ns_) want_spare(group_header_bytes, 0);
  return false;
}

bool LogCore::take_spare(Result<PreparedFile> made) {
  spare_asked_ = false;
  auto retry = clock_.monotonic_ns() + spare_retry_interval_ns;
  if (made) {
    spares_.push_back(std::move(*made));
    spare_wish_.number = 0;
    short_.reset();
    refused_ = false;
    larger_failed_ = 0;
    io_failures_ = 0;
    if (start_owed_ && roll_for(group_header_bytes + owed_marks_.size() * entry_row_bytes, owed_marks_.size())) (void)write_start();  // a failure is in fatal_
    return true;
  }
  ++counters_.spare_failures;
  // A file that was not synced may be made again. A disk that says no twice is not asked a third time.
  io_failures_ = made.error().code == Code::io ? io_failures_ + 1 : 0;
  if (io_failures_ > 1) {
    die(std::move(made).error());
    return false;
  }
  if (spares_.empty()) {
    short_ = std::move(made).error();
    spare_retry_ns_ = retry;
  } else {
    larger_failed_ = spare_wish_.file_bytes;
    larger_retry_ns_ = retry;
  }
  return true;
}

// ---- rolling over

bool LogCore::is_due_to_roll(std::int64_t now_ns) const {
  return open_rows_ > 0 && !start_owed_ && now_ns - open_since_ns_ >= options_.roll_after_ms * 1'000'000;
}

// Seals the open file and goes on in the first spare. False when that failed for good.
bool LogCore::roll() {
  CHECK(!spares_.empty());
  std::optional<Footer> footer;
  if (open_) {
    if (!unpublished_.empty()) sync();  // a good footer means that all data before it is on disk
    if (fatal_ || !seal_open_file(footer.emplace())) return false;
    sealed_files_.remember_file(open_->number, open_->file);
  }
  auto next = std::move(spares_.front());
  spares_.pop_front();
  open_ = OpenFile{next.header.number, next.header.salt, next.bytes, block_bytes, next.file};
  open_first_jsn_ = next_;
  open_has_groups_ = false;
  open_rows_ = open_groups_ = 0;
  view_.switch_file(footer, *open_);
  if (spares_.empty() && !spare_asked_) want_spare(group_header_bytes, 0);
  return true;
}

bool LogCore::seal_open_file(Footer& footer) {
  producers_.forget({clock_.monotonic_ns() / 1'000'000 - options_.producer_forget_ms, options_.producers_min, options_.producers_max});
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
  content.streams = rows.touched(view_.streams());
  for (auto& key : producers_.take_changed())
    if (auto found = producers_.windows().find(key); found != producers_.windows().end()) content.producers.push_back({key, found->second});
  auto pages = encode_seal(content, footer);
  if (auto written = write_seal(footer, std::move(pages)); !written) die(std::move(written).error());
  ++counters_.syncs;
  ++counters_.files_sealed;
  return !fatal_;
}

// Room for it was left; but recovery may know of more than the run that left it. Then the seal lives in memory, and the next start
// makes it again from the data.
Result<void> LogCore::write_seal(const Footer& footer, std::string pages) {
  auto last = open_->bytes - block_bytes;
  if (open_->position + pages.size() > last) {
    sealed_files_.remember_rebuilt(footer, std::move(pages));
    return {};
  }
  TRY(open_->file->write_at(open_->position, as_bytes(pages)));
  TRY(open_->file->write_at(last, as_bytes(encode_footer(footer))));
  return open_->file->sync_data();
}

}  // namespace tidemill::log
