#include "log/segment_files.h"

#include <fmt/core.h>

namespace tidemill::log {
namespace {

constexpr std::uint64_t stretch_bytes_max = 4u << 20;

SegmentBatch found_batch(const SegmentEntry& entry, Slice bytes) {
  return {entry.from, entry.end(), entry.max_timestamp, {entry.base, entry.jsn, entry.index, entry.leader_epoch, entry.append_time_ms, std::move(bytes)}};
}

// What a scan over a stretch gives to a read: goes on while it is true.
bool take_entry(SegmentScan& scan, StreamId stream, Offset from, std::size_t bytes_max, std::size_t& bytes, Result<SegmentRead>& out) {
  auto& entry = scan.entry();
  if (entry.stream < stream || (entry.stream == stream && entry.end() <= from)) return true;
  out->more = entry.stream == stream;
  if (entry.stream > stream) return false;
  auto& found = out->batches;
  bool first = found.empty();
  if (!first && bytes + entry.length > bytes_max) return false;
  auto batch = entry.from <= (first ? from : found.back().end) ? scan.batch() : missing_records(stream, from);
  if (!batch) {
    if (first) out = missing_records(stream, from);
    return false;
  }
  bytes += entry.length;
  found.push_back(found_batch(entry, std::move(*batch)));
  return true;
}

}  // namespace

SegmentFiles::SegmentFiles(world::Disk& disk, std::string dir)
    : files_(disk, [dir = std::move(dir)](std::uint64_t number) { return segment_path(dir, number); }) {}

// ---- the index

Result<SegmentRow> SegmentFiles::Index::row(std::uint64_t i) {
  if (rebuilt) return (*rebuilt)[i];
  auto stored = files.stored_row(info, i);
  failed |= !stored && stored.error().code == Code::corrupt;
  return stored;
}

Result<std::uint64_t> SegmentFiles::Index::row_before(StreamId stream, Offset offset) {
  std::uint64_t low = 0, high = rows();  // the first row that begins behind (stream, offset)
  while (low < high) {
    auto middle = (low + high) / 2;
    TRY_ASSIGN(at, row(middle));
    if (at.stream < stream || (at.stream == stream && at.base <= offset)) low = middle + 1;
    else high = middle;
  }
  return low > 0 ? low - 1 : 0;
}

Result<SegmentRow> SegmentFiles::stored_row(const SegmentInfo& info, std::uint64_t i) {
  auto number = static_cast<std::uint32_t>(i / rows_per_page<SegmentRow>);
  PagedFiles::PageKey key{info.number, info.index.position + number * block_bytes, 0};
  auto page = files_.find(key);
  if (!page) {
    TRY_ASSIGN(file, files_.file(info.number));
    std::string bytes(block_bytes, '\0');
    auto got = file->read_at(key.position, std::as_writable_bytes(std::span(bytes)));
    bytes.resize(got ? *got : 0);  // what cannot be read is as good as damaged
    TRY_ASSIGN(rows, check_page(as_bytes(bytes), SegmentRow::kind, number, info.salt));
    if (rows != std::min(rows_per_page<SegmentRow>, info.index.rows - number * rows_per_page<SegmentRow>))
      return fail(Code::corrupt, fmt::format("page {} of the index of segment {} has {} rows", number, info.number, rows));
    page = std::make_shared<const std::string>(std::move(bytes));
    files_.keep(key, page);
  }
  ByteReader in(as_bytes(*page).subspan(page_header_bytes + i % rows_per_page<SegmentRow> * SegmentRow::bytes));
  SegmentRow row;
  get_row(in, row);
  return row;
}

SegmentFiles::Rows SegmentFiles::rebuilt_rows(std::uint64_t number) const {
  std::lock_guard hold(mutex_);
  auto found = rebuilt_.find(number);
  return found == rebuilt_.end() ? nullptr : found->second;
}

bool SegmentFiles::is_rebuilt(std::uint64_t number) const { return rebuilt_rows(number) != nullptr; }

// Reads by the index; when a page of it turns out bad, makes it again from the entries and reads once more.
template <class Read>
auto SegmentFiles::with_index(const SegmentInfo& info, Read read) {
  Index index{*this, info, rebuilt_rows(info.number)};
  auto result = read(index);
  if (result || !index.failed) return result;
  if (auto rebuilt = rebuild(info); !rebuilt) return decltype(result)(rebuilt.error());
  Index again{*this, info, rebuilt_rows(info.number)};
  return read(again);
}

Result<void> SegmentFiles::rebuild(const SegmentInfo& info) {
  std::lock_guard hold(rebuilding_);
  if (is_rebuilt(info.number)) return {};
  TRY_ASSIGN(rescued, rescue(info.number, info, info.data_end));
  std::lock_guard locked(mutex_);
  rebuilt_[info.number] = rescued.rows;
  return {};
}

void SegmentFiles::forget(std::uint64_t number) {
  files_.forget(number);
  std::lock_guard hold(mutex_);
  rebuilt_.erase(number);
}

// ---- reading

Result<SegmentScan> SegmentFiles::scan_part(const SegmentInfo& info, SegmentScan::Part part) {
  TRY_ASSIGN(file, files_.file(info.number));
  return SegmentScan(std::move(file), info.number, info.salt, part);
}

// Rows that touch, as many as may be wanted: one read.
Result<SegmentFiles::Stretch> SegmentFiles::stretch(Index& index, std::uint64_t at, StreamId stream, std::size_t bytes_max) {
  TRY_ASSIGN(first, index.row(at));
  auto begin = first.position, end = first.end();
  auto most = std::min<std::uint64_t>(stretch_bytes_max, std::uint64_t{bytes_max} + segment_row_bytes);
  for (++at; at < index.rows(); ++at) {
    TRY_ASSIGN(row, index.row(at));
    if (row.stream > stream || row.position != end || row.end() - begin > most) break;
    end = row.end();
  }
  return Stretch{{begin, end, end - begin}, at};
}

Result<SegmentRead> SegmentFiles::read_by(Index& index, StreamId stream, Offset from, std::size_t bytes_max) {
  Result<SegmentRead> out = SegmentRead{};
  std::size_t bytes = 0;
  TRY_ASSIGN(at, index.row_before(stream, from));
  while (at < index.rows()) {
    TRY_ASSIGN(next, stretch(index, at, stream, std::min<std::size_t>(bytes_max, stretch_bytes_max)));
    TRY_ASSIGN(scan, scan_part(index.info, next.part));
    while (scan.next())
      if (!take_entry(scan, stream, from, bytes_max, bytes, out)) return out;
    at = next.next;
    if (at == index.rows()) break;
    TRY_ASSIGN(row, index.row(at));
    out->more = row.stream == stream;
    if (row.stream > stream || !out->batches.empty()) return out;
  }
  out->more = false;
  return out;
}

Result<SegmentRead> SegmentFiles::read(const SegmentInfo& info, StreamId stream, Offset from, std::size_t bytes_max) {
  if (!info.may_hold(stream)) return SegmentRead{};
  return with_index(info, [&](Index& index) { return read_by(index, stream, from, bytes_max); });
}

Result<std::optional<SegmentBatch>> SegmentFiles::find_by(Index& index, StreamId stream, Offset from, std::int64_t time_ms) {
  TRY_ASSIGN(first, index.row_before(stream, from));
  for (auto at = first; at < index.rows(); ++at) {
    TRY_ASSIGN(row, index.row(at));
    if (row.stream > stream) break;
    if (row.max_timestamp < time_ms) continue;
    TRY_ASSIGN(scan, scan_part(index.info, {row.position, row.end(), row.length}));
    while (scan.next()) {
      auto& entry = scan.entry();
      if (entry.stream != stream || entry.end() <= from || entry.max_timestamp < time_ms) continue;
      auto batch = scan.batch();
      if (batch && record::read_header(batch->bytes())->records_count > 0) return std::optional(found_batch(entry, std::move(*batch)));
    }
  }
  return std::optional<SegmentBatch>{};
}

Result<std::optional<SegmentBatch>> SegmentFiles::find_by_time(const SegmentInfo& info, StreamId stream, Offset from, std::int64_t time_ms) {
  if (!info.may_hold(stream) || info.newest_ms < time_ms) return std::optional<SegmentBatch>{};
  return with_index(info, [&](Index& index) { return find_by(index, stream, from, time_ms); });
}

Result<std::optional<SegmentEntry>> SegmentFiles::first_by(Index& index, StreamId stream) {
  TRY_ASSIGN(first, index.row_before(stream, Offset{-1}));  // no base is that low, so this row begins with a stream before it
  for (auto at = first; at < index.rows(); ++at) {
    TRY_ASSIGN(row, index.row(at));
    if (row.stream > stream) break;
    TRY_ASSIGN(scan, scan_part(index.info, {row.position, row.end(), row.length}));
    scan.skip_to(stream, Offset{0});
    if (!scan.next()) continue;
    return scan.entry().stream == stream ? std::optional(scan.entry()) : std::nullopt;
  }
  return std::optional<SegmentEntry>{};
}

Result<std::optional<SegmentEntry>> SegmentFiles::first_entry(const SegmentInfo& info, StreamId stream) {
  if (!info.may_hold(stream)) return std::optional<SegmentEntry>{};
  return with_index(info, [&](Index& index) { return first_by(index, stream); });
}

Result<bool> SegmentFiles::contains(const SegmentInfo& info, StreamId stream) {
  TRY_ASSIGN(found, first_entry(info, stream));
  return found.has_value();
}

// ---- all of it

Result<std::vector<SegmentFiles::Piece>> SegmentFiles::sizes(const SegmentInfo& info, StreamId stream) {
  return with_index(info, [&](Index& index) -> Result<std::vector<Piece>> {
    std::vector<Piece> pieces;
    TRY_ASSIGN(first, index.row_before(stream, Offset{-1}));
    for (auto at = first; at < index.rows(); ++at) {
      TRY_ASSIGN(row, index.row(at));
      if (row.stream > stream) break;
      if (row.stream == stream) pieces.push_back({row.base, row.length});
    }
    return pieces;
  });
}

std::uint64_t SegmentFiles::locate(const SegmentInfo& info, StreamId stream, Offset offset) {
  auto found = with_index(info, [&](Index& index) -> Result<std::uint64_t> {
    TRY_ASSIGN(at, index.row_before(stream, offset));
    if (at == index.rows()) return std::uint64_t{0};
    TRY_ASSIGN(row, index.row(at));
    return row.position;
  });
  return found ? *found : 0;  // then the scan walks there
}

Result<SegmentScan> SegmentFiles::scan(const SegmentInfo& info) {
  TRY_ASSIGN(file, files_.file(info.number));
  auto find = [this, info](StreamId stream, Offset offset) { return locate(info, stream, offset); };
  return SegmentScan(std::move(file), info.number, info.salt, {block_bytes, info.data_end}, std::move(find));
}

}  // namespace tidemill::log
