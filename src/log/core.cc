#include "log/core.h"

#include <fmt/core.h>

#include "base/check.h"
#include "log/append_check.h"

namespace tidemill::log {
namespace {

constexpr std::int64_t idle_ns = 10'000'000;
constexpr std::uint64_t unsynced_bytes_max = 4u << 20;  // of on_write groups, so that readers see them soon

}  // namespace

LogCore::LogCore(world::Disk& disk, world::Clock& clock, CoreOptions options, SealedFiles& sealed_files, View& view, SpareMaker& spare_maker,
                 Watches& watches)
    : disk_(disk), clock_(clock), options_(std::move(options)), sealed_files_(sealed_files), view_(view), spare_maker_(spare_maker),
      watches_(watches) {}

void LogCore::submit(Append append, AppendDone done) {
  if (fatal_) return done(*fatal_);
  auto headers = check_append(append, options_.group_bytes_max, options_.batch_bytes_max);
  if (!headers) {
    ++counters_.refused;
    return done(headers.error());
  }
  std::uint64_t bytes = (append.entries.size() + append.marks.size()) * entry_row_bytes;
  for (auto& entry : append.entries) bytes += entry.batch.size();
  queued_bytes_ += bytes;
  queue_.push_back({std::move(append), std::move(done), std::move(*headers), bytes});
}

bool LogCore::pump() {
  if (fatal_) return false;
  bool progress = poll_spare();
  if (fatal_) return false;
  if (auto queued = queue_.size(); queued > 0) {
    auto round = gather();
    progress |= queue_.size() < queued;
    write(std::move(round));
    if (progress) return !fatal_;
  }
  auto now = clock_.monotonic_ns();
  if (!unpublished_.empty() && now - unsynced_since_ns_ >= idle_ns) sync();
  else if (unpublished_.empty() && entries_to_cover_ && now - idle_since_ns_ >= idle_ns) cover();
  else if (is_due_to_roll(now) && !spares_.empty()) return roll();
  else return progress;
  return !fatal_;
}

std::optional<std::int64_t> LogCore::next_wakeup_ns() const {
  if (fatal_) return std::nullopt;
  std::optional<std::int64_t> at;
  auto consider = [&](std::int64_t t) { at = std::min(at.value_or(t), t); };
  if (!unpublished_.empty()) consider(unsynced_since_ns_ + idle_ns);
  else if (entries_to_cover_) consider(idle_since_ns_ + idle_ns);
  if (short_ && !spare_asked_) consider(spare_retry_ns_);
  if (open_rows_ > 0 && !spares_.empty()) consider(open_since_ns_ + options_.roll_after_ms * 1'000'000);
  return at;
}

void LogCore::stop() {
  while (pump()) {}
  if (!fatal_ && !unpublished_.empty()) sync();
  if (!fatal_ && run_started() && open_) cover(group_ends_run);
  while (!queue_.empty()) {
    auto waiting = pop();
    waiting.done(fail(Code::unavailable, "the log is stopping"));
  }
}

LogCore::Waiting LogCore::pop() {
  auto waiting = std::move(queue_.front());
  queue_.pop_front();
  queued_bytes_ -= waiting.bytes;
  return waiting;
}

Offset LogCore::end_of(StreamId stream) const {
  if (auto ahead = assigned_.find(stream); ahead != assigned_.end()) return ahead->second;
  auto* known = view_.streams().find(stream);
  return known ? known->end : Offset{0};
}

Result<void> LogCore::check_streams(const Append& append) const {
  for (auto& entry : append.entries) {
    auto* known = view_.streams().find(entry.stream);
    if ((known && known->forgotten) || forgetting_.contains(entry.stream)) return stream_is_deleted(entry.stream);
  }
  for (auto& mark : append.marks)
    if (mark.kind == Mark::Kind::trim && mark.offset > end_of(mark.stream))
      return fail(Code::out_of_range, fmt::format("stream {} cannot be trimmed at {}: it ends at {}", mark.stream.value, mark.offset.value, end_of(mark.stream).value));
  return {};
}

LogCore::Round LogCore::gather() {
  Round round;
  round.time_ms = clock_.now_ms();
  while (!queue_.empty()) {
    auto& waiting = queue_.front();
    if (!round.empty() && round.bytes + waiting.bytes > options_.group_bytes_max) break;
    auto room = room_for(round, waiting);
    if (room == Room::later) break;
    auto next = pop();
    if (room == Room::yes) {
      take(round, std::move(next));
      continue;
    }
    ++counters_.refused_full;
    bool alone = !spares_.empty();
    refused_ |= !alone && next.append.purpose == Purpose::data;
    next.done(alone ? too_large_for_disk() : no_room());
  }
  return round;
}

void LogCore::take(Round& round, Waiting waiting) {
  if (auto checked = check_streams(waiting.append); !checked) {
    ++counters_.refused;
    return waiting.done(checked.error());
  }
  auto& entries = waiting.append.entries;
  std::vector<Producers::Item> items;
  std::unordered_map<StreamId, Offset> ends;
  items.reserve(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    auto [known, first] = ends.try_emplace(entries[i].stream);
    if (first) known->second = end_of(entries[i].stream);
    items.push_back({entries[i].stream, waiting.headers[i], known->second});
    known->second += waiting.headers[i].records_count;
  }
  auto verdict = producers_.check(items, round.time_ms);
  if (!verdict) {
    ++counters_.refused;
    return waiting.done(verdict.error());
  }
  round.sync |= waiting.append.durability == Durability::synced;
  Answer answer{std::move(waiting.done), {}, waiting.append.durability};
  answer.appended.append_time_ms = round.time_ms;
  if (verdict->duplicate) {
    ++counters_.duplicates;
    answer.appended.duplicate = true;
    answer.appended.base_offsets = std::move(verdict->originals);
    round.answers.push_back(std::move(answer));
    return;
  }
  producers_.commit(std::move(verdict->staged), clock_.monotonic_ns() / 1'000'000);
  for (auto& [stream, end] : ends) assigned_[stream] = end;
  for (auto& mark : waiting.append.marks) {
    if (mark.kind == Mark::Kind::forget) forgetting_.insert(mark.stream);
    round.marks.push_back(mark);
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    auto& entry = entries[i];
    auto records = static_cast<std::uint32_t>(waiting.headers[i].records_count);
    auto length = static_cast<std::uint32_t>(entry.batch.size());
    round.rows.push_back({entry.stream, items[i].base, waiting.headers[i].max_timestamp, 0, static_cast<std::uint32_t>(round.rows.size()), 0, length, records});
    round.entries.push_back({entry.stream, items[i].base, entry.tenant, length});
    round.batches.push_back(std::move(entry.batch));
    answer.appended.base_offsets.push_back(items[i].base);
    counters_.records += records;
  }
  round.bytes += waiting.bytes;
  ++counters_.appends;
  round.answers.push_back(std::move(answer));
}

void LogCore::write(Round round) {
  if (round.answers.empty() && round.empty()) return;
  if (!round.empty() && !fatal_) write_group(round);
  auto answers = std::move(round.answers);
  for (auto& a : answers) a.appended.jsn = next_ - 1;
  if (!fatal_ && options_.flaw == Flaw::ack_before_sync) answer(answers, Durability::synced);
  if (!fatal_ && options_.flaw == Flaw::publish_before_sync && !round.sync && !unpublished_.empty()) publish();
  if (!fatal_) {
    answer(answers, Durability::on_write);
    bool waited = unsynced_bytes_ > unsynced_bytes_max || clock_.monotonic_ns() - unsynced_since_ns_ >= idle_ns;
    if (!unpublished_.empty() && (round.sync || waited)) sync();
  }
  if (!fatal_) answer(answers, Durability::synced);
  for (auto& a : answers)
    if (a.done) a.done(*fatal_);
}

// Answers those that wait for this and no more; what was answered has no `done` any longer.
void LogCore::answer(std::vector<Answer>& answers, Durability durability) {
  for (auto& a : answers)
    if (a.done && a.durability == durability) std::exchange(a.done, nullptr)(std::move(a.appended));
}

void LogCore::write_group(Round& round) {
  GroupHeader header;
  header.flags = round.flags;
  header.jsn = next_;
  header.incarnation = incarnation_;
  header.durable = synced_;
  header.time_ms = round.time_ms;
  header.leader_epoch = leader_epoch_;
  header.salt = open_->salt;
  auto head = encode_group_head(header, round.entries, round.marks, round.batches);
  static const std::string zeros(block_bytes, '\0');
  std::vector<std::span<const std::byte>> parts;
  parts.reserve(round.batches.size() + 2);
  parts.push_back(as_bytes(head));
  for (auto& batch : round.batches) parts.push_back(batch.bytes());
  auto padded = whole_blocks(header.length);
  parts.push_back(as_bytes(zeros).first(padded - header.length));
  CHECK(open_->position + padded <= open_->bytes, "{} + {} in {}", open_->position, padded, open_->bytes);
  if (auto written = open_->file->write_at(open_->position, std::span<const std::span<const std::byte>>(parts)); !written)
    return die(std::move(written).error());

  PublishedGroup group;
  group.row = {next_, open_->position, round.time_ms, header.length, static_cast<std::uint32_t>(round.entries.size()), leader_epoch_};
  group.incarnation = incarnation_;
  auto at = static_cast<std::uint32_t>(head.size());
  for (std::size_t i = 0; i < round.rows.size(); ++i) {
    round.rows[i].at = at;
    at += round.rows[i].length;
    group.entries.push_back({round.entries[i].tenant, round.entries[i].stream, round.entries[i].base, std::move(round.batches[i])});
  }
  group.batches = std::move(round.rows);
  group.marks = std::move(round.marks);
  if (unpublished_.empty()) unsynced_since_ns_ = clock_.monotonic_ns();
  unpublished_.push_back(std::move(group));
  if (!open_has_groups_) open_first_jsn_ = next_;
  open_has_groups_ = true;
  open_->position += padded;
  if (open_rows_ == 0) open_since_ns_ = clock_.monotonic_ns();
  open_rows_ += header.rows;
  ++open_groups_;
  next_ += 1;
  ++counters_.groups;
  counters_.bytes += padded;
  unsynced_bytes_ += padded;
}

void LogCore::sync() {
  auto before = clock_.monotonic_ns();
  if (auto synced = open_->file->sync_data(); !synced) return die(std::move(synced).error());
  auto now = clock_.monotonic_ns();
  ++counters_.syncs;
  counters_.sync_ns_sum += static_cast<std::uint64_t>(now - before);
  synced_ = next_ - 1;
  idle_since_ns_ = now;
  unsynced_bytes_ = 0;
  publish();
}

void LogCore::publish() {
  std::vector<StreamId> moved;
  for (auto& group : unpublished_)
    for (auto& row : group.batches) moved.push_back(row.stream);
  entries_to_cover_ = !unpublished_.back().empty();
  view_.publish(std::exchange(unpublished_, {}));
  assigned_.clear();
  forgetting_.clear();
  watches_.announce(moved);
}

// An empty group that says: everything before me is on disk. Without it, damage to the last acknowledged group would look like
// a torn tail.
void LogCore::cover(std::uint16_t flags) {
  entries_to_cover_ = false;
  if (!fits_open(group_header_bytes, 0, 0)) return;  // the next file's first group will say it
  Round round;
  round.time_ms = clock_.now_ms();
  round.flags = flags;
  write_group(round);
  if (!fatal_) sync();
}

void LogCore::die(Error error) {
  fatal_ = fail(Code::io, fmt::format("the journal under \"{}\" cannot be written: {}", options_.dir, error.message),
                "a failed write or sync is never retried; check the disk and start again");
  while (!queue_.empty()) {
    auto waiting = pop();
    waiting.done(*fatal_);
  }
}

}  // namespace tidemill::log
