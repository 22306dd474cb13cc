// The bytes of a journal file outside its seal: the header block and the groups. docs/formats/journal.md is the grammar;
// this file and that page change together, with the golden files of tests/golden/journal.
//
// All numbers little-endian. Everything starts on a 4 KiB block. Every structure carries the salt of its file under its
// checksum, so bytes of another life of the file, or bytes that a producer smuggled into a batch, are never taken for ours.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "bytes/slice.h"
#include "log/log.h"

namespace tidemill::log {

inline constexpr std::uint64_t block_bytes = 4096;
inline constexpr std::uint32_t format_version = 2;  // version 1 had no marks, and another seal
constexpr std::uint64_t whole_blocks(std::uint64_t bytes) { return (bytes + block_bytes - 1) / block_bytes * block_bytes; }

struct FileHeader {
  std::uint32_t version = format_version;
  std::uint64_t number = 0;
  std::uint64_t salt = 0;
  Incarnation incarnation;       // of the run that prepared the file
  std::uint64_t file_bytes = 0;  // as prepared
  std::int64_t created_ms = 0;
};
std::string encode_file_header(const FileHeader& header);  // one block
// Code::unsupported for a newer format version, Code::corrupt otherwise.
Result<FileHeader> decode_file_header(std::span<const std::byte> block);

inline constexpr std::size_t group_header_bytes = 64;
inline constexpr std::size_t entry_row_bytes = 24;
// Flags: the first group of an incarnation; the last one before a clean stop.
inline constexpr std::uint16_t group_starts_run = 1;
inline constexpr std::uint16_t group_ends_run = 2;

struct GroupHeader {
  std::uint16_t flags = 0;
  std::uint32_t length = 0;  // header, table and batches; without the padding
  Jsn jsn;
  Incarnation incarnation;
  Jsn durable;               // last group known synced when this one was written
  std::int64_t time_ms = 0;
  std::int32_t leader_epoch = 0;
  std::uint32_t rows = 0;    // of the table: batches, then marks
  std::uint64_t salt = 0;
};

struct EntryRow {
  StreamId stream;
  Offset base;
  TenantId tenant;
  std::uint32_t length = 0;  // of the batch
};

// Header and table of a group whose batches follow; sets length and rows, and the checksum over all of it.
std::string encode_group_head(GroupHeader& header, std::span<const EntryRow> entries, std::span<const Mark> marks, std::span<const Slice> batches);

// The fixed part, when magic, version and lengths make sense; says nothing about the checksum.
std::optional<GroupHeader> decode_group_header(std::span<const std::byte> bytes);

struct DecodedGroup {
  GroupHeader header;
  std::vector<EntryRow> entries;
  std::vector<std::uint32_t> at;  // where each batch starts, counted from the start of the group
  std::vector<Mark> marks;
};
enum class Trust { checksum, structure };
// `bytes` start with the group and hold all of it. With Trust::structure the checksum is not looked at (salvage only).
std::optional<DecodedGroup> decode_group(std::span<const std::byte> bytes, Trust trust = Trust::checksum);

}  // namespace tidemill::log
