#include "log/replay.h"

#include <fmt/core.h>

#include <unordered_set>

namespace tidemill::log {
namespace {

// A salvaged end is believed only this far above the known one; a flipped bit must not burn 2^62 offsets.
constexpr std::int64_t salvage_records_max = 1 << 24;

std::optional<record::BatchHeader> header_of(std::span<const std::byte> bytes) {
  auto header = record::read_header(bytes);
  if (!header || header->total_bytes() != bytes.size() || header->records_count < 1) return std::nullopt;
  return *header;
}

}  // namespace

void apply(StreamTable& streams, const Mark& mark) {
  auto& state = streams[mark.stream];
  if (mark.kind == Mark::Kind::trim) state.start = std::max(state.start, mark.offset);
  if (mark.kind == Mark::Kind::forget) state.forgotten = true;
  if (mark.kind != Mark::Kind::forget) state.end = std::max(state.end, mark.offset);
}

void OpenRows::add(const GroupRow& group, std::span<const BatchRow> rows, std::span<const Mark> marks) {
  groups.push_back(group);
  for (auto& row : rows) {
    by_stream[row.stream].push_back(static_cast<std::uint32_t>(batches.size()));
    batches.push_back(row);
  }
  for (auto& mark : marks) marked.insert(mark.stream);
}

std::vector<StreamRow> OpenRows::touched(const StreamTable& streams) const {
  std::vector<StreamRow> rows;
  rows.reserve(by_stream.size() + marked.size());
  auto add = [&](StreamId id) {
    if (auto* state = streams.find(id)) rows.push_back({id, *state});
  };
  for (auto& [id, unused] : by_stream) add(id);
  for (auto id : marked)
    if (!by_stream.contains(id)) add(id);
  return rows;
}

void Recovered::pass_damage(Corruption damage) {
  damaged = true;
  damage_epoch = leader_epoch;
  report.corruption.push_back(std::move(damage));
}

void Replay::note(const GroupHeader& header) {
  durable_ = std::max(durable_, header.durable);
  state_.incarnation = std::max(state_.incarnation, header.incarnation);
}

bool Replay::follows(const GroupHeader& header, Jsn next) const {
  if (header.jsn != next) return false;
  return header.incarnation >= last_ || flaw_ == Flaw::ignore_incarnation;
}

Offset Replay::end_of(StreamId stream) const {
  auto* known = state_.streams.find(stream);
  return known ? known->end : Offset{0};
}

std::optional<Replay::BatchHeaders> Replay::judge(const FoundGroup& found) const {
  BatchHeaders headers;
  std::unordered_map<StreamId, Offset> ends;
  auto& entries = found.group.entries;
  headers.reserve(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    auto header = header_of(found.bytes.subspan(found.group.at[i], entries[i].length));
    if (!header) return std::nullopt;
    auto& end = ends.try_emplace(entries[i].stream, end_of(entries[i].stream)).first->second;
    if (entries[i].base < end && flaw_ != Flaw::ignore_incarnation) return std::nullopt;
    end = entries[i].base + header->records_count;
    headers.push_back(*header);
  }
  return headers;
}

void Replay::apply(const FoundGroup& found, const BatchHeaders& headers, FileReplay& into) {
  auto& [header, entries, at, marks] = found.group;
  auto ordinal = static_cast<std::uint32_t>(into.rows.groups.size());
  std::vector<BatchRow> rows;
  rows.reserve(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    rows.push_back({entries[i].stream, entries[i].base, headers[i].max_timestamp, ordinal, static_cast<std::uint32_t>(i), at[i],
                    entries[i].length, static_cast<std::uint32_t>(headers[i].records_count)});
    auto& stream = state_.streams[entries[i].stream];
    state_.salvaged.erase(entries[i].stream);
    stream.tenant = entries[i].tenant;
    stream.end = rows.back().end();
    stream.max_timestamp = std::max(stream.max_timestamp, headers[i].max_timestamp);
    state_.producers.restore(entries[i].stream, headers[i], entries[i].base, header.time_ms);
  }
  for (auto& mark : marks) log::apply(state_.streams, mark);
  into.rows.add({header.jsn, found.position, header.time_ms, header.length, static_cast<std::uint32_t>(entries.size()), header.leader_epoch}, rows, marks);
  into.end = found.end();
  last_ = header.incarnation;
  state_.clean = (header.flags & group_ends_run) != 0;
  state_.next = header.jsn + 1;
  state_.leader_epoch = std::max(state_.leader_epoch, header.leader_epoch);
  ++state_.report.groups_scanned;
}

// A hole in the offsets of a stream where every group is there: the groups before were read wrong or lost without a trace.
void Replay::report_gaps(const FoundGroup& found, std::uint64_t number) {
  if (state_.damaged || flaw_ == Flaw::ignore_incarnation) return;
  std::unordered_set<StreamId> seen;
  for (auto& entry : found.group.entries) {
    auto end = end_of(entry.stream);
    if (!seen.insert(entry.stream).second || entry.base == end) continue;
    auto jsn = found.group.header.jsn;
    state_.pass_damage({number, found.position, 0, jsn, jsn,
                        fmt::format("offsets {} to {} of stream {} are missing", end.value, entry.base.value, entry.stream.value)});
  }
}

// Groups that fail their checksum are not served, but where their tables still make sense, their offsets stay taken: an offset
// that somebody has read must never mean another record.
void Replay::salvage(FileScan& scan, std::uint64_t from, std::uint64_t to) {
  for (auto jsn = state_.next; from < to; jsn += 1) {
    auto found = scan.at(from, Trust::structure);
    if (!found || found->group.header.jsn != jsn) return;
    for (std::size_t i = 0; i < found->group.entries.size(); ++i)
      salvage(found->group.entries[i], found->bytes.subspan(found->group.at[i], found->group.entries[i].length));
    from = found->end();
  }
}

// The table is not believed where it contradicts what is known: a batch follows the end of its stream, except behind damage, and
// a stream begins at 0.
void Replay::salvage(const EntryRow& entry, std::span<const std::byte> batch) {
  auto header = header_of(batch);
  if (!header) return;
  auto* known = state_.streams.find(entry.stream);
  auto aside = state_.salvaged.find(entry.stream);
  if (!known && aside == state_.salvaged.end() && entry.base != Offset{0}) return;
  StreamState state;
  state.tenant = entry.tenant;
  if (known) state = *known;
  if (aside != state_.salvaged.end()) state = aside->second;
  auto base = state.end;
  if (state_.damaged && entry.base > base && entry.base - base <= salvage_records_max) base = entry.base;
  // One of the two may be what is damaged.
  auto records = std::max<std::int64_t>(header->records_count, std::int64_t{header->last_offset_delta} + 1);
  if (records > salvage_records_max) return;
  state.end = base + records;
  state_.salvaged[entry.stream] = state;
}

void Replay::look_ahead(FileScan& scan, std::uint64_t from) {
  if (ahead_) return;
  ahead_.emplace();
  for (auto group = scan.next(from); group; group = scan.next(group->end())) {
    note(group->group.header);
    ahead_->emplace_back(group->position, group->group.header);
  }
}

// Everything between the damage and the group to go on with must have been durable; else that group is a leftover behind a hole
// in the tail. Leftovers of an earlier run lie behind everything newer, and their incarnation is lower.
std::optional<std::pair<std::uint64_t, Jsn>> Replay::credible_ahead(FileScan& scan, std::uint64_t position) const {
  for (auto& [at, header] : *ahead_) {
    bool further = at > position || (at == position && header.jsn > state_.next);
    if (!further || header.jsn < state_.next || header.jsn > durable_ + 1 || header.incarnation < last_) continue;
    auto group = scan.at(at);
    if (group && judge(*group)) return std::pair(at, header.jsn);
  }
  return std::nullopt;
}

std::optional<std::uint64_t> Replay::pass_damage(FileScan& scan, std::uint64_t number, std::uint64_t position, bool closed, FileReplay& into) {
  look_ahead(scan, position);
  if (state_.next > durable_) {
    if (!closed && scan.next_leftover(position)) {
      state_.clean = false;
      state_.report.tail_dropped = true;
      state_.report.tail_from = state_.next;
    }
    return std::nullopt;
  }
  state_.clean = false;
  Corruption damage{number, position, scan.file_bytes() - position, state_.next, durable_ + 1, "groups are missing or fail their checksum"};
  auto go_on = credible_ahead(scan, position);
  if (go_on) {
    damage.bytes = go_on->first - position;
    damage.end = go_on->second;
  }
  salvage(scan, position, position + damage.bytes);
  into.end_known = go_on.has_value();
  state_.next = damage.end;
  state_.pass_damage(std::move(damage));
  return go_on ? std::optional(go_on->first) : std::nullopt;
}

bool Replay::is_last(FileScan& scan, const FoundGroup& found) { return !scan.at(found.end()); }

FileReplay Replay::read(FileScan& scan, std::uint64_t number, bool closed, std::optional<Jsn> next_known) {
  FileReplay into;
  into.first_jsn = state_.next;
  ahead_.reset();
  if (next_known && next_known->value > 0) durable_ = std::max(durable_, *next_known - 1);
  std::uint64_t position = block_bytes;
  while (position < scan.file_bytes()) {
    auto found = scan.at(position);
    if (flaw_ == Flaw::drop_durable && found && !closed && is_last(scan, *found)) break;
    if (flaw_ == Flaw::drop_durable) found = scan.at(position);  // what it pointed to is gone
    if (found) note(found->group.header);
    if (auto headers = found && follows(found->group.header, state_.next) ? judge(*found) : std::nullopt) {
      report_gaps(*found, number);
      apply(*found, *headers, into);
      position = into.end;
      continue;
    }
    auto next = pass_damage(scan, number, position, closed, into);
    if (!next) break;
    position = *next;
  }
  state_.durable = durable_;
  return into;
}

}  // namespace tidemill::log
