#include "log/segment.h"

#include <fmt/core.h>

#include <charconv>

#include "bytes/crc32c.h"

namespace tidemill::log {
namespace {

constexpr std::string_view header_magic = "TMSEGMNT";
constexpr std::string_view footer_magic = "TMSEGEND";
constexpr std::uint32_t segment_version = 1;
constexpr std::size_t block_crc_end = 12;
constexpr std::size_t entry_crc_end = 4, entry_zero_at = 68;
constexpr std::string_view extension = ".segment";

ByteWriter begin_block(std::string_view magic) {
  ByteWriter out;
  out.reserve(block_bytes);
  out.text(magic);
  out.le<std::uint32_t>(0);
  out.le(segment_version);
  return out;
}

std::string finish_block(ByteWriter out) {
  out.zeros(block_bytes - out.size());
  out.patch_le(header_magic.size(), crc32c(as_bytes(out.view().substr(block_crc_end))));
  return out.take();
}

Result<ByteReader> open_block(std::span<const std::byte> block, std::string_view magic, std::string_view what) {
  if (block.size() < block_bytes) return fail(Code::corrupt, fmt::format("the segment is too short for its {}", what));
  block = block.first(block_bytes);
  ByteReader in(block);
  if (in.text(magic.size()) != magic) return fail(Code::corrupt, fmt::format("the segment has no {}", what));
  if (in.le<std::uint32_t>() != crc32c(block.subspan(block_crc_end)))
    return fail(Code::corrupt, fmt::format("the segment's {} fails its checksum", what));
  if (auto version = in.le<std::uint32_t>(); version != segment_version)
    return fail(Code::unsupported, fmt::format("segment format version {} is not known; this program knows {}", version, segment_version),
                "the data directory was written by a newer tidemill; start that one");
  return in;
}

void put_identity(ByteWriter& out, const SegmentIdentity& identity) {
  out.le(identity.number);
  out.le(identity.salt);
  out.le(identity.retention_class);
  out.le(identity.level);
  out.le(identity.from.value);
  out.le(identity.to.value);
  out.le(identity.created_ms);
}

void get_identity(ByteReader& in, SegmentIdentity& identity) {
  identity.number = in.le<std::uint64_t>();
  identity.salt = in.le<std::uint64_t>();
  identity.retention_class = in.le<std::uint32_t>();
  identity.level = in.le<std::uint32_t>();
  identity.from = Jsn{in.le<std::uint64_t>()};
  identity.to = Jsn{in.le<std::uint64_t>()};
  identity.created_ms = in.le<std::int64_t>();
}

std::uint32_t entry_crc(std::span<const std::byte> head, std::uint64_t salt, std::uint64_t position) {
  std::array<std::uint64_t, 2> place{salt, position};
  return crc32c(head.subspan(entry_crc_end, segment_entry_bytes - entry_crc_end), crc32c(std::as_bytes(std::span(place))));
}

std::uint64_t bytes_of(const SegmentInfo& info) { return info.index.position + (pages_for<SegmentRow>(info.index.rows) + 1) * block_bytes; }

// Whether everything lies where it must in a segment with so many rows; nonsense under a good checksum is nonsense.
bool makes_sense(const SegmentInfo& info) {
  constexpr auto bytes_max = std::uint64_t{1} << 60;
  return info.data_end >= block_bytes && info.data_end <= bytes_max && info.index.position == whole_blocks(info.data_end) &&
         info.entries <= info.data_end / segment_entry_bytes && info.index.rows <= info.entries;
}

}  // namespace

std::string segments_folder(const std::string& dir) { return dir + "/segments"; }
std::string segment_name(std::uint64_t number) { return fmt::format("{:016x}{}", number, extension); }
std::string segment_path(const std::string& dir, std::uint64_t number) { return segments_folder(dir) + "/" + segment_name(number); }

std::optional<std::uint64_t> number_of_segment_name(const std::string& name) {
  if (name.size() != 16 + extension.size() || !name.ends_with(extension)) return std::nullopt;
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(name.data(), name.data() + 16, number, 16);
  if (error != std::errc{} || end != name.data() + 16) return std::nullopt;
  return number;
}

// ---- header and footer

std::string encode_segment_header(const SegmentIdentity& identity) {
  auto out = begin_block(header_magic);
  put_identity(out, identity);
  return finish_block(std::move(out));
}

Result<SegmentIdentity> decode_segment_header(std::span<const std::byte> block) {
  TRY_ASSIGN(in, open_block(block, header_magic, "header"));
  SegmentIdentity identity;
  get_identity(in, identity);
  return identity;
}

void put_segment_info(ByteWriter& out, const SegmentInfo& info) {
  put_identity(out, info);
  out.le(info.data_end);
  out.le(info.entries);
  out.le(info.first_stream.value);
  out.le(info.last_stream.value);
  out.le(info.oldest_ms);
  out.le(info.newest_ms);
  out.le(info.newest_append_ms);
  out.le(info.purged_to.value);
  out.le(info.index.position);
  out.le(info.index.rows);
}

Result<SegmentInfo> get_segment_info(ByteReader& in) {
  SegmentInfo info;
  get_identity(in, info);
  info.data_end = in.le<std::uint64_t>();
  info.entries = in.le<std::uint64_t>();
  info.first_stream = StreamId{in.le<std::uint64_t>()};
  info.last_stream = StreamId{in.le<std::uint64_t>()};
  info.oldest_ms = in.le<std::int64_t>();
  info.newest_ms = in.le<std::int64_t>();
  info.newest_append_ms = in.le<std::int64_t>();
  info.purged_to = Jsn{in.le<std::uint64_t>()};
  info.index.position = in.le<std::uint64_t>();
  info.index.rows = in.le<std::uint64_t>();
  if (!in.ok() || !makes_sense(info)) return fail(Code::corrupt, fmt::format("what is said of segment {} contradicts itself", info.number));
  info.file_bytes = bytes_of(info);
  return info;
}

std::string encode_segment_footer(const SegmentInfo& info) {
  auto out = begin_block(footer_magic);
  put_segment_info(out, info);
  return finish_block(std::move(out));
}

Result<SegmentInfo> decode_segment_footer(std::span<const std::byte> block, std::uint64_t file_bytes) {
  TRY_ASSIGN(in, open_block(block, footer_magic, "footer"));
  TRY_ASSIGN(info, get_segment_info(in));
  if (info.file_bytes != file_bytes) return fail(Code::corrupt, fmt::format("segment {} is not as long as its footer says", info.number));
  return info;
}

// ---- entries

void encode_segment_entry(const SegmentEntry& entry, std::uint64_t salt, std::uint64_t position, std::string& out) {
  ByteWriter head;
  head.reserve(segment_entry_bytes);
  head.le<std::uint32_t>(0);
  head.le(entry.length);
  head.le(entry.stream.value);
  head.le(entry.base.value);
  head.le(entry.from.value);
  head.le(entry.jsn.value);
  head.le(entry.max_timestamp);
  head.le(entry.append_time_ms);
  head.le(entry.index);
  head.le(entry.span);
  head.le(entry.leader_epoch);
  head.le<std::uint32_t>(0);
  head.patch_le(0, entry_crc(as_bytes(head.view()), salt, position));
  out += head.view();
}

std::optional<SegmentEntry> decode_segment_entry(std::span<const std::byte> bytes, std::uint64_t salt, std::uint64_t position) {
  if (bytes.size() < segment_entry_bytes) return std::nullopt;
  ByteReader in(bytes);
  auto crc = in.le<std::uint32_t>();
  SegmentEntry entry;
  entry.length = in.le<std::uint32_t>();
  // Before the checksum, so that looking for an entry at every byte of a damaged part is cheap.
  if (entry.length < record::batch_header_bytes || entry.length > segment_batch_bytes_max) return std::nullopt;
  std::uint32_t zero = 0;
  std::memcpy(&zero, bytes.data() + entry_zero_at, sizeof zero);
  if (zero != 0) return std::nullopt;
  if (crc != entry_crc(bytes, salt, position)) return std::nullopt;
  entry.stream = StreamId{in.le<std::uint64_t>()};
  entry.base = Offset{in.le<std::int64_t>()};
  entry.from = Offset{in.le<std::int64_t>()};
  entry.jsn = Jsn{in.le<std::uint64_t>()};
  entry.max_timestamp = in.le<std::int64_t>();
  entry.append_time_ms = in.le<std::int64_t>();
  entry.index = in.le<std::uint32_t>();
  entry.span = in.le<std::uint32_t>();
  entry.leader_epoch = in.le<std::int32_t>();
  if (entry.from < Offset{0} || entry.from > entry.base || entry.span == 0) return std::nullopt;
  if (entry.base.value > std::numeric_limits<std::int64_t>::max() - entry.span) return std::nullopt;
  return entry;
}

Error missing_records(StreamId stream, Offset from) {
  return fail(Code::corrupt, fmt::format("the records of stream {} at offset {} are damaged or missing", stream.value, from.value),
              "they stay unreadable; continue at a later offset, and check the disk");
}

Result<record::BatchHeader> check_segment_batch(const SegmentEntry& entry, std::span<const std::byte> batch) {
  auto header = record::validate_stored_batch(batch);
  if (header && header->total_bytes() == batch.size() && batch.size() == entry.length &&
      std::uint32_t(header->last_offset_delta) + 1 == entry.span)
    return *header;
  return missing_records(entry.stream, entry.base);
}

// ---- index

void put_row(ByteWriter& out, const SegmentRow& row) {
  out.le(row.stream.value);
  out.le(row.base.value);
  out.le(row.position);
  out.le(row.length);
  out.le(row.entries);
  out.le(row.max_timestamp);
}

void get_row(ByteReader& in, SegmentRow& row) {
  row.stream = StreamId{in.le<std::uint64_t>()};
  row.base = Offset{in.le<std::int64_t>()};
  row.position = in.le<std::uint64_t>();
  row.length = in.le<std::uint32_t>();
  row.entries = in.le<std::uint32_t>();
  row.max_timestamp = in.le<std::int64_t>();
}

void SegmentRows::add(const SegmentEntry& entry, std::uint64_t position) {
  if (!open_ || rows_.back().length + entry.bytes() > segment_row_bytes) {
    rows_.push_back({entry.stream, entry.base, position, 0, 0, entry.max_timestamp});
    open_ = true;
  }
  auto& row = rows_.back();
  row.length += static_cast<std::uint32_t>(entry.bytes());
  ++row.entries;
  row.max_timestamp = std::max(row.max_timestamp, entry.max_timestamp);
}

std::string encode_segment_page(std::span<const SegmentRow> rows, std::uint32_t number, std::uint64_t salt) {
  auto count = std::min<std::size_t>(rows.size(), rows_per_page<SegmentRow>);
  ByteWriter page;
  page.reserve(block_bytes);
  page.le<std::uint32_t>(0);
  page.le(static_cast<std::uint16_t>(SegmentRow::kind));
  page.le(static_cast<std::uint16_t>(count));
  page.le(number);
  page.le<std::uint32_t>(0);
  page.le(salt);
  for (auto& row : rows.first(count)) put_row(page, row);
  page.zeros(block_bytes - page.size());
  page.patch_le(0, crc32c(as_bytes(page.view().substr(sizeof(std::uint32_t)))));
  return page.take();
}

}  // namespace tidemill::log
