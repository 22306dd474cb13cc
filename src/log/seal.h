// The seal of a journal file: its index, and what it changed of the log's state, written behind the data.
//
// Four sorted tables of fixed-size rows in 4 KiB pages, each page with its own checksum, and a footer in the file's last block:
//   batches of this file by (stream, base offset); groups of this file by JSN; the streams that this file touched, by id; the
//   windows of the producers that wrote to it. A reader finds a row by binary search over pages, so a seal needs no memory while
//   nobody reads. The last two are a delta: with the checkpoint and the deltas since, they give the state at the end of the file.
// docs/formats/journal.md is the grammar.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "bytes/cursor.h"
#include "log/format.h"
#include "log/producers.h"
#include "log/stream_table.h"

namespace tidemill::log {

enum class PageKind : std::uint16_t { batches = 1, groups = 2, streams = 3, producers = 4 };  // of a seal
inline constexpr std::size_t page_kinds = 4;
inline constexpr std::size_t page_header_bytes = 24;

struct BatchRow {
  static constexpr PageKind kind = PageKind::batches;
  static constexpr std::size_t bytes = 48;
  StreamId stream;
  Offset base;
  std::int64_t max_timestamp = 0;
  std::uint32_t group = 0;   // row of its group in this file
  std::uint32_t index = 0;   // in its group
  std::uint32_t at = 0;      // first byte, counted from the start of the group
  std::uint32_t length = 0;
  std::uint32_t records = 0;
  Offset end() const { return base + records; }
};

struct GroupRow {
  static constexpr PageKind kind = PageKind::groups;
  static constexpr std::size_t bytes = 40;
  Jsn jsn;
  std::uint64_t position = 0;
  std::int64_t time_ms = 0;
  std::uint32_t length = 0;
  std::uint32_t entries = 0;
  std::int32_t leader_epoch = 0;
};

struct StreamRow {
  static constexpr PageKind kind = PageKind::streams;
  static constexpr std::size_t bytes = 40;
  StreamId stream;
  StreamState state;  // merged into what was known before
};

struct ProducerRow {
  static constexpr PageKind kind = PageKind::producers;
  static constexpr std::size_t bytes = 112;
  ProducerKey key;
  Window window;
};

void put_row(ByteWriter& out, const BatchRow& row);
void put_row(ByteWriter& out, const GroupRow& row);
void put_row(ByteWriter& out, const StreamRow& row);
void put_row(ByteWriter& out, const ProducerRow& row);
void get_row(ByteReader& in, BatchRow& row);
void get_row(ByteReader& in, GroupRow& row);
void get_row(ByteReader& in, StreamRow& row);
void get_row(ByteReader& in, ProducerRow& row);

template <class Row>
constexpr std::uint64_t rows_per_page = (block_bytes - page_header_bytes) / Row::bytes;
template <class Row>
constexpr std::uint64_t pages_for(std::uint64_t rows) { return (rows + rows_per_page<Row> - 1) / rows_per_page<Row>; }

// Around the rows of one page: its header; then zeros to its end, and the checksum over all.
void begin_page(ByteWriter& page, PageKind kind, std::uint32_t number, std::uint64_t salt);
void end_page(ByteWriter& page, std::uint64_t rows);

struct Table {
  std::uint64_t position = 0;  // of its first page in the file
  std::uint64_t rows = 0;
  bool operator==(const Table&) const = default;
};

struct Footer {
  std::uint64_t number = 0;
  std::uint64_t salt = 0;
  std::uint64_t data_end = 0;  // first byte behind the groups; the tables start here
  Jsn first_jsn;               // of this file
  Jsn next_jsn;                // of the file behind it
  Incarnation incarnation;     // highest seen up to here
  std::int32_t leader_epoch = 0;
  std::array<Table, page_kinds> tables{};
  const Table& table(PageKind kind) const { return tables[static_cast<std::size_t>(kind) - 1]; }
};
std::string encode_footer(const Footer& footer);  // one block
Result<Footer> decode_footer(std::span<const std::byte> block);

struct SealContent {
  std::vector<BatchRow> batches;
  std::vector<GroupRow> groups;
  std::vector<StreamRow> streams;
  std::vector<ProducerRow> producers;
};
// Blocks that a seal of so many rows takes, footer included.
std::uint64_t seal_bytes(std::uint64_t batches, std::uint64_t groups, std::uint64_t streams, std::uint64_t producers);
// Sorts the content; the pages as they stand from footer.data_end on. Fills in footer.tables.
std::string encode_seal(SealContent& content, Footer& footer);

// The rows of one page, when its checksum, kind, number and salt hold.
Result<std::uint16_t> check_page(std::span<const std::byte> page, PageKind kind, std::uint32_t number, std::uint64_t salt);

}  // namespace tidemill::log
