#include "log/view.h"

#include <fmt/core.h>

#include <mutex>

#include "base/check.h"
#include "log/append_check.h"

namespace tidemill::log {
namespace {

constexpr std::size_t cached_group_overhead = 256;

std::size_t cost_of(const PublishedGroup& group) {
  return cached_group_overhead + group.row.length + group.batches.size() * (sizeof(BatchRow) + sizeof(GroupEntry));
}

StoredBatch stored(const GroupRow& group, const BatchRow& batch, Slice bytes) {
  return {batch.base, group.jsn, batch.index, group.leader_epoch, group.time_ms, std::move(bytes)};
}

Error missing(StreamId stream, Offset from) {
  return fail(Code::corrupt, fmt::format("the records of stream {} at offset {} are damaged or missing", stream.value, from.value),
              "they stay unreadable; continue at a later offset, and check the disk");
}

}  // namespace

// ---- the core's side

void View::start(Recovered& recovered, Jsn durable) {
  std::unique_lock hold(mutex_);
  streams_ = std::move(recovered.streams);
  tiers_ = std::make_shared<const Tiers>(std::move(recovered.tiers));
  rows_ = std::move(recovered.rows);
  if (recovered.open) open_file_ = recovered.open->file, open_held_ = recovered.open->held;
  durable_ = durable;
  leader_epoch_ = recovered.leader_epoch;
  streams_.for_each([&](StreamId id, const StreamState& state) {
    if (state.forgotten || state.start > Offset{0}) marked_.push_back(id);
  });
}

void View::publish(std::vector<PublishedGroup> groups) {
  std::unique_lock hold(mutex_);
  for (auto& group : groups) {
    for (std::size_t i = 0; i < group.batches.size(); ++i) {
      auto& row = group.batches[i];
      row.group = static_cast<std::uint32_t>(rows_.groups.size());
      auto& stream = streams_[row.stream];
      stream.end = row.end();
      stream.tenant = group.entries[i].tenant;
      stream.max_timestamp = std::max(stream.max_timestamp, row.max_timestamp);
    }
    for (auto& mark : group.marks) {
      apply(streams_, mark);
      marked_.push_back(mark.stream);
    }
    rows_.add(group.row, group.batches, group.marks);
    CHECK(group.row.jsn == durable_ + 1, "{} after {}", group.row.jsn.value, durable_.value);
    durable_ = group.row.jsn;
    cache_bytes_ += cost_of(group);
    cache_.push_back(std::move(group));
  }
  trim_cache();
}

void View::trim_cache() {
  while (cache_bytes_ > cache_bytes_max_ && !cache_.empty()) {
    cache_bytes_ -= cost_of(cache_.front());
    cache_.pop_front();
  }
}

void View::switch_file(std::optional<Footer> sealed, const OpenFile& next) {
  OpenRows old;  // freed without the lock
  std::unique_lock hold(mutex_);
  if (sealed) {
    auto tiers = std::make_shared<Tiers>(*tiers_);
    tiers->sealed.emplace_back(*sealed, open_held_);
    tiers_ = std::move(tiers);
  }
  std::swap(old, rows_);
  open_file_ = next.file;
  open_held_ = next.held;
  hold.unlock();
}

// ---- the background's side

DurablePoint View::durable_point() const {
  std::shared_lock hold(mutex_);
  DurablePoint point{durable_, tiers_, open_file_, block_bytes, open_held_};
  if (!rows_.groups.empty()) point.open_end = rows_.groups.back().position + whole_blocks(rows_.groups.back().length);
  return point;
}

TiersRef View::tiers() const {
  std::shared_lock hold(mutex_);
  return tiers_;
}

StreamKeep View::keep_of(StreamId stream) const {
  std::shared_lock hold(mutex_);
  auto* state = streams_.find(stream);
  return state ? StreamKeep{state->start, state->forgotten} : StreamKeep{};
}

std::vector<StreamId> View::open_streams() const {
  std::shared_lock hold(mutex_);
  std::vector<StreamId> streams;
  streams.reserve(rows_.by_stream.size());
  for (auto& [stream, rows] : rows_.by_stream) streams.push_back(stream);
  return streams;
}

std::vector<StreamId> View::take_marked() {
  std::unique_lock hold(mutex_);
  return std::exchange(marked_, {});
}

std::vector<SegmentFiles::Piece> View::sizes(StreamId stream) const {
  std::vector<SegmentFiles::Piece> out, open;
  TiersRef tiers;
  {
    std::shared_lock hold(mutex_);
    tiers = tiers_;
    if (auto rows = rows_.by_stream.find(stream); rows != rows_.by_stream.end())
      for (auto row : rows->second) open.push_back({rows_.batches[row].base, rows_.batches[row].length});
  }
  for (auto& run : tiers->runs)
    for (auto& segment : run.segments)
      if (segment.may_hold(stream))
        if (auto pieces = segment_files_.sizes(segment, stream)) out.insert(out.end(), pieces->begin(), pieces->end());
  for (auto& known : tiers->sealed) {
    auto seal = sealed_files_.current(known);
    auto at = sealed_files_.first_row_not<BatchRow>(seal, [&](const BatchRow& r) { return r.stream < stream; });
    for (auto rows = seal.table(PageKind::batches).rows; at && *at < rows; ++*at) {
      auto row = sealed_files_.row<BatchRow>(seal, *at);
      if (!row || row->stream != stream) break;
      out.push_back({row->base, row->length});
    }
  }
  out.insert(out.end(), open.begin(), open.end());
  return out;
}

void View::change_tiers(std::move_only_function<void(Tiers&)> change) {
  TiersRef old;  // freed without the lock
  std::unique_lock hold(mutex_);
  auto tiers = std::make_shared<Tiers>(*tiers_);
  change(*tiers);
  old = std::exchange(tiers_, std::move(tiers));
  hold.unlock();
}

// ---- anybody's side

Bounds View::bounds(StreamId stream) const {
  std::shared_lock hold(mutex_);
  auto* state = streams_.find(stream);
  if (!state) return {Offset{0}, Offset{0}, leader_epoch_};
  return {state->forgotten ? state->end : state->start, state->end, leader_epoch_};
}

Jsn View::durable_jsn() const {
  std::shared_lock hold(mutex_);
  return durable_;
}

std::size_t View::cached_bytes() const {
  std::shared_lock hold(mutex_);
  return cache_bytes_;
}

const PublishedGroup* View::cached(Jsn jsn) const {
  if (cache_.empty() || jsn < cache_.front().row.jsn) return nullptr;
  auto at = jsn - cache_.front().row.jsn;
  return at < cache_.size() ? &cache_[at] : nullptr;
}

bool View::Collected::add(Piece piece, std::size_t bytes_max) {
  if (!pieces.empty() && bytes + piece.batch.length > bytes_max) return false;
  bytes += piece.batch.length;
  next = piece.batch.end();
  pieces.push_back(std::move(piece));
  return true;
}

View::Piece View::open_piece(std::uint32_t row) const {
  auto& batch = rows_.batches[row];
  Piece piece{open_file_, rows_.groups[batch.group], batch, {}, open_held_};
  if (auto* group = cached(piece.group.jsn)) piece.cached = group->entries[batch.index].batch;
  return piece;
}

// Under the lock. False when `into.next` lies in an older file; true when the open file had all there is to say.
bool View::collect_open(StreamId stream, std::size_t bytes_max, Collected& into) const {
  auto found = rows_.by_stream.find(stream);
  if (found == rows_.by_stream.end()) return false;
  auto& rows = found->second;
  if (rows_.batches[rows.front()].base > into.next) return false;
  auto at = std::upper_bound(rows.begin(), rows.end(), into.next, [&](Offset o, std::uint32_t r) { return o < rows_.batches[r].end(); });
  for (; at != rows.end(); ++at)
    if (rows_.batches[*at].base > into.next || !into.add(open_piece(*at), bytes_max)) break;
  return true;
}

void View::rebuild_bad_seals(const std::vector<SealedFile>& sealed) const {
  std::lock_guard hold(rebuild_mutex_);
  for (auto number : sealed_files_.take_bad())
    for (auto& seal : sealed)
      if (seal.number == number) (void)rebuild_seal(sealed_files_, seal);  // a failure shows when the page is read again
}

Result<View::Piece> View::sealed_piece(const Footer& seal, const BatchRow& row, const Hold& held) const {
  TRY_ASSIGN(group, sealed_files_.row<GroupRow>(seal, row.group));
  TRY_ASSIGN(file, sealed_files_.file(seal.number));
  return Piece{std::move(file), group, row, {}, held};
}

// From the one sealed file that holds `into.next`, the first with an end behind it; adds nothing when none does.
Result<void> View::collect_sealed(const std::vector<SealedFile>& sealed, StreamId stream, std::size_t bytes_max, Collected& into) const {
  for (auto& known : sealed) {
    auto seal = sealed_files_.current(known);
    TRY_ASSIGN(at, sealed_files_.first_row_not<BatchRow>(seal, [&](const BatchRow& r) {
      return r.stream < stream || (r.stream == stream && r.end() <= into.next);
    }));
    bool any = false;
    for (auto rows = seal.table(PageKind::batches).rows; at < rows; ++at) {
      TRY_ASSIGN(row, sealed_files_.row<BatchRow>(seal, at));
      if (row.stream != stream) break;
      any = true;
      if (row.base > into.next) break;
      TRY_ASSIGN(piece, sealed_piece(seal, row, known.held));
      if (!into.add(std::move(piece), bytes_max)) break;
    }
    if (any) return {};
  }
  return {};
}

Result<std::vector<StoredBatch>> View::read(StreamId stream, Offset from, std::size_t bytes_max) const {
  Collected found;
  found.next = from;
  for (Offset end;;) {
    TiersRef tiers;
    {
      std::shared_lock hold(mutex_);
      auto* state = streams_.find(stream);
      if (state && state->forgotten) return stream_is_deleted(stream);
      auto start = state ? state->start : Offset{0};
      end = state ? state->end : Offset{0};
      if (from < start || from > end) return offset_out_of_range(from, {start, end, leader_epoch_});
      if (from == end) return std::vector<StoredBatch>{};
      if (collect_open(stream, bytes_max, found)) break;
      tiers = tiers_;
    }
    auto before = found.next;
    auto collected = with_good_seals(*tiers, [&] { return collect_sealed(tiers->sealed, stream, bytes_max, found); });
    if (found.pieces.empty() && !tiers->runs.empty()) return read_runs(*tiers, stream, from, bytes_max);
    if (!collected && found.pieces.empty()) return collected.error();
    if (!collected || found.next == before || found.next == end || found.bytes >= bytes_max) break;
  }
  if (found.pieces.empty()) return missing(stream, from);
  return fetch(found.pieces);
}

// The run that holds the offset. A stream whose class was changed lies in runs that overlap, so a run that begins later does not end
// the search.
Result<std::vector<StoredBatch>> View::read_runs(const Tiers& tiers, StreamId stream, Offset from, std::size_t bytes_max) const {
  std::optional<Error> damage;
  for (auto& run : tiers.runs)
    for (auto& segment : run.segments) {
      if (!segment.may_hold(stream)) continue;
      auto read = segment_files_.read(segment, stream, from, bytes_max);
      if (!read && !damage) damage = read.error().code == Code::not_found ? missing(stream, from) : read.error();
      if (!read || read->batches.empty()) continue;
      std::vector<StoredBatch> out;
      out.reserve(read->batches.size());
      for (auto& batch : read->batches) out.push_back(std::move(batch.batch));
      return out;
    }
  return damage ? std::move(*damage) : missing(stream, from);
}

Result<std::optional<StoredBatch>> View::runs_by_time(const Tiers& tiers, StreamId stream, Offset start, std::int64_t time_ms) const {
  std::optional<StoredBatch> first;
  for (auto& run : tiers.runs)
    for (auto& segment : run.segments) {
      if (!segment.may_hold(stream) || segment.newest_ms < time_ms) continue;
      auto found = segment_files_.find_by_time(segment, stream, start, time_ms);
      if (!found && found.error().code == Code::not_found) continue;  // the file is missing, and with it whatever it held
      if (!found) return found.error();
      if (*found && (!first || (*found)->batch.base < first->base)) first = std::move((*found)->batch);
    }
  return first;
}

// One read for neighbours: what a producer sent in a row lies in a row.
Result<std::vector<StoredBatch>> View::fetch(const Pieces& pieces) const {
  constexpr std::uint64_t gap_max = block_bytes, run_max = 4u << 20;
  std::vector<StoredBatch> out;
  out.reserve(pieces.size());
  for (std::size_t i = 0; i < pieces.size();) {
    if (!pieces[i].cached.empty()) {
      out.push_back(stored(pieces[i].group, pieces[i].batch, pieces[i].cached));
      ++i;
      continue;
    }
    auto start = pieces[i].position();
    auto end = start + pieces[i].batch.length;
    auto last = i + 1;
    for (; last < pieces.size() && pieces[last].cached.empty() && pieces[last].file == pieces[i].file; ++last) {
      auto next = pieces[last].position();
      if (next < end || next - end > gap_max || next + pieces[last].batch.length - start > run_max) break;
      end = next + pieces[last].batch.length;
    }
    auto buffer = std::make_shared<std::string>(end - start, '\0');
    auto got = pieces[i].file->read_at(start, std::as_writable_bytes(std::span(*buffer)));
    for (; i < last; ++i) {
      auto& piece = pieces[i];
      auto at = piece.position() - start;
      bool there = got && at + piece.batch.length <= *got;
      auto bytes = there ? as_bytes(*buffer).subspan(at, piece.batch.length) : std::span<const std::byte>{};
      auto header = record::validate_batch(bytes);
      if (!header || header->total_bytes() != bytes.size() || header->records_count != static_cast<std::int32_t>(piece.batch.records)) {
        if (out.empty()) return missing(piece.batch.stream, piece.batch.base);
        return out;
      }
      out.push_back(stored(piece.group, piece.batch, Slice(buffer, bytes)));
    }
  }
  return out;
}

Result<std::optional<View::Piece>> View::sealed_by_time(const std::vector<SealedFile>& sealed, StreamId stream, Offset start, std::int64_t time_ms) const {
  for (auto& known : sealed) {
    auto seal = sealed_files_.current(known);
    TRY_ASSIGN(at, sealed_files_.first_row_not<BatchRow>(seal, [&](const BatchRow& r) {
      return r.stream < stream || (r.stream == stream && r.end() <= start);
    }));
    for (auto rows = seal.table(PageKind::batches).rows; at < rows; ++at) {
      TRY_ASSIGN(row, sealed_files_.row<BatchRow>(seal, at));
      if (row.stream != stream) break;
      if (row.max_timestamp < time_ms) continue;
      TRY_ASSIGN(piece, sealed_piece(seal, row, known.held));
      return std::optional(std::move(piece));
    }
  }
  return std::optional<Piece>{};
}

Result<std::optional<StoredBatch>> View::find_by_time(StreamId stream, std::int64_t time_ms) const {
  std::optional<Piece> found;
  TiersRef tiers;
  Offset start;
  {
    std::shared_lock hold(mutex_);
    auto* state = streams_.find(stream);
    if (!state || state->forgotten || state->max_timestamp < time_ms) return std::optional<StoredBatch>{};
    start = state->start;
    tiers = tiers_;
    if (auto rows = rows_.by_stream.find(stream); rows != rows_.by_stream.end())
      for (auto row : rows->second)
        if (rows_.batches[row].max_timestamp >= time_ms && rows_.batches[row].end() > start) {
          found = open_piece(row);
          break;
        }
  }
  TRY_ASSIGN(oldest, runs_by_time(*tiers, stream, start, time_ms));
  if (oldest) return oldest;
  TRY_ASSIGN(older, with_good_seals(*tiers, [&] { return sealed_by_time(tiers->sealed, stream, start, time_ms); }));
  if (older) found = std::move(older);
  if (!found) return std::optional<StoredBatch>{};
  TRY_ASSIGN(batches, fetch({*found}));
  return std::optional(std::move(batches.front()));
}

// ---- groups, for followers

Result<std::pair<std::shared_ptr<const world::File>, GroupRow>> View::find_group(Jsn jsn, const Tiers& tiers) const {
  if (jsn < tiers.first_group)
    return fail(Code::out_of_range, fmt::format("group {} is not kept any more; the first one is {}", jsn.value, tiers.first_group.value),
                "rebuild the follower from the streams");
  auto& sealed = tiers.sealed;
  auto lost = [&] {
    return fail(Code::corrupt, fmt::format("group {} is damaged or missing", jsn.value), "rebuild the follower from a later group, and check the disk");
  };
  auto at = std::upper_bound(sealed.begin(), sealed.end(), jsn, [](Jsn j, const Footer& f) { return j < f.next_jsn; });
  if (at == sealed.end()) return lost();
  auto seal = sealed_files_.current(*at);
  TRY_ASSIGN(index, sealed_files_.first_row_not<GroupRow>(seal, [&](const GroupRow& r) { return r.jsn < jsn; }));
  if (index == seal.table(PageKind::groups).rows) return lost();
  TRY_ASSIGN(row, sealed_files_.row<GroupRow>(seal, index));
  if (row.jsn != jsn) return lost();
  TRY_ASSIGN(file, sealed_files_.file(seal.number));
  return std::pair<std::shared_ptr<const world::File>, GroupRow>(std::move(file), row);
}

Result<Group> View::load_group(const world::File& file, const GroupRow& row) const {
  auto buffer = std::make_shared<std::string>(row.length, '\0');
  auto got = file.read_at(row.position, std::as_writable_bytes(std::span(*buffer)));
  auto bytes = as_bytes(*buffer);
  auto decoded = got && *got == bytes.size() ? decode_group(bytes) : std::nullopt;
  if (!decoded || decoded->header.jsn != row.jsn)
    return fail(Code::corrupt, fmt::format("group {} fails its checksum", row.jsn.value), "check the disk");
  Group group{row.jsn, decoded->header.incarnation, row.time_ms, {}, std::move(decoded->marks)};
  for (std::size_t i = 0; i < decoded->entries.size(); ++i) {
    auto& entry = decoded->entries[i];
    group.entries.push_back({entry.tenant, entry.stream, entry.base, Slice(buffer, bytes.subspan(decoded->at[i], entry.length))});
  }
  return group;
}

Result<std::vector<Group>> View::read_groups(Jsn from, std::size_t bytes_max) const {
  std::vector<Group> out;
  std::size_t bytes = 0;
  for (auto jsn = std::max(from, Jsn{1});; jsn += 1) {
    TiersRef tiers;
    std::shared_ptr<const world::File> file;
    GroupRow row;
    bool open = false;
    {
      std::shared_lock hold(mutex_);
      if (jsn > durable_) return out;
      if (auto* group = cached(jsn)) {
        bytes += group->row.length;
        if (!out.empty() && bytes > bytes_max) return out;
        out.push_back({jsn, group->incarnation, group->row.time_ms, group->entries, group->marks});
        continue;
      }
      tiers = tiers_;
      auto at = std::lower_bound(rows_.groups.begin(), rows_.groups.end(), jsn, [](const GroupRow& r, Jsn j) { return r.jsn < j; });
      open = at != rows_.groups.end() && at->jsn == jsn;
      if (open) {
        file = open_file_;
        row = *at;
      }
    }
    if (!open) {
      auto found = with_good_seals(*tiers, [&] { return find_group(jsn, *tiers); });
      if (!found && out.empty()) return found.error();
      if (!found) return out;
      std::tie(file, row) = std::move(*found);
    }
    bytes += row.length;
    if (!out.empty() && bytes > bytes_max) return out;
    auto group = load_group(*file, row);
    if (!group && out.empty()) return group.error();
    if (!group) return out;
    out.push_back(std::move(*group));
  }
}

}  // namespace tidemill::log
