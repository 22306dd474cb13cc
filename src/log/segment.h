// The bytes of a segment: an immutable file of entries sorted by (stream, base offset), with a sparse index behind them.
// docs/formats/segment.md is the grammar; this file and that page change together, with the golden file of tests/golden/segment.
//
// All numbers little-endian. Header, index pages and footer are whole 4 KiB blocks, each under its own checksum; entries lie back
// to back between header and pages. Every checksum covers the salt of the file, so a record that holds bytes of some segment is
// never taken for an entry: a file's salt is chosen after everything that goes into it was written.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "bytes/cursor.h"
#include "log/format.h"
#include "log/seal.h"
#include "record/batch.h"

namespace tidemill::log {

std::string segments_folder(const std::string& dir);
std::string segment_name(std::uint64_t number);  // 16 hex digits and .segment
std::string segment_path(const std::string& dir, std::uint64_t number);
std::optional<std::uint64_t> number_of_segment_name(const std::string& name);

// What a segment is, known before its first entry.
struct SegmentIdentity {
  std::uint64_t number = 0;
  std::uint64_t salt = 0;
  std::uint32_t retention_class = 0;
  std::uint32_t level = 0;
  Jsn from;  // the run of this segment holds what is left of the groups [from, to)
  Jsn to;
  std::int64_t created_ms = 0;
  bool operator==(const SegmentIdentity&) const = default;
};
std::string encode_segment_header(const SegmentIdentity& identity);  // one block
// Code::unsupported for a newer format version, Code::corrupt otherwise.
Result<SegmentIdentity> decode_segment_header(std::span<const std::byte> block);

inline constexpr std::size_t segment_entry_bytes = 72;
inline constexpr std::uint32_t segment_batch_bytes_max = 1u << 30;  // what a sane length is; far above what is accepted

// One entry: a batch and where it belongs. The batch follows, `length` bytes.
struct SegmentEntry {
  std::uint32_t length = 0;
  StreamId stream;
  Offset base;
  Offset from;  // where this entry's answer begins: its base, or the end of the entry before it when records between were compacted away
  Jsn jsn;
  std::int64_t max_timestamp = 0;
  std::int64_t append_time_ms = 0;
  std::uint32_t index = 0;  // in its group
  std::uint32_t span = 0;   // offsets from base to end: the batch's last offset delta + 1, not its record count
  std::int32_t leader_epoch = 0;
  Offset end() const { return base + span; }
  std::uint64_t bytes() const { return segment_entry_bytes + std::uint64_t{length}; }
  bool operator==(const SegmentEntry&) const = default;
};
// `position` is the entry's in its file.
void encode_segment_entry(const SegmentEntry& entry, std::uint64_t salt, std::uint64_t position, std::string& out);
// Nothing unless the checksum holds and the numbers make sense.
std::optional<SegmentEntry> decode_segment_entry(std::span<const std::byte> bytes, std::uint64_t salt, std::uint64_t position);
Error missing_records(StreamId stream, Offset from);
// The batch of an entry, when its checksum holds and it is the batch that the entry speaks of.
Result<record::BatchHeader> check_segment_batch(const SegmentEntry& entry, std::span<const std::byte> batch);

// One row of the index: a run of whole entries, about segment_row_bytes of them.
inline constexpr std::uint64_t segment_row_bytes = 16 << 10;
inline constexpr auto segment_rows_kind = static_cast<PageKind>(32);
struct SegmentRow {
  static constexpr PageKind kind = segment_rows_kind;
  static constexpr std::size_t bytes = 40;
  StreamId stream;  // of its first entry
  Offset base;
  std::uint64_t position = 0;
  std::uint32_t length = 0;
  std::uint32_t entries = 0;
  std::int64_t max_timestamp = 0;  // of all its entries
  std::uint64_t end() const { return position + length; }
  bool operator==(const SegmentRow&) const = default;
};
void put_row(ByteWriter& out, const SegmentRow& row);
void get_row(ByteReader& in, SegmentRow& row);

// Everything about a finished segment: its footer says it all, and a manifest keeps it.
struct SegmentInfo : SegmentIdentity {
  std::uint64_t data_end = 0;  // first byte behind the entries
  std::uint64_t entries = 0;
  StreamId first_stream;
  StreamId last_stream;
  std::int64_t oldest_ms = 0;         // of the entries' max timestamps
  std::int64_t newest_ms = 0;
  std::int64_t newest_append_ms = 0;
  Jsn purged_to;                      // marks before this were applied
  Table index;                        // of SegmentRow
  std::uint64_t file_bytes = 0;
  bool may_hold(StreamId stream) const { return entries > 0 && first_stream <= stream && stream <= last_stream; }
  bool operator==(const SegmentInfo&) const = default;
};
// The 128 bytes that a footer has of it, for a manifest to have them too. What is read says itself whether it makes sense.
inline constexpr std::size_t segment_info_bytes = 128;
void put_segment_info(ByteWriter& out, const SegmentInfo& info);
Result<SegmentInfo> get_segment_info(ByteReader& in);
std::string encode_segment_footer(const SegmentInfo& info);  // one block
// Code::corrupt also when a file of `file_bytes` cannot be what it says.
Result<SegmentInfo> decode_segment_footer(std::span<const std::byte> block, std::uint64_t file_bytes);

// Gathers the index while entries come by; the same rows whether a segment is written or its index is made again.
class SegmentRows {
 public:
  void add(const SegmentEntry& entry, std::uint64_t position);
  void interrupt() { open_ = false; }  // what follows does not touch what came before
  const std::vector<SegmentRow>& rows() const { return rows_; }
  std::vector<SegmentRow> take() { return std::move(rows_); }

 private:
  std::vector<SegmentRow> rows_;
  bool open_ = false;
};
// One page with as many of `rows` as fit.
std::string encode_segment_page(std::span<const SegmentRow> rows, std::uint32_t number, std::uint64_t salt);

}  // namespace tidemill::log
