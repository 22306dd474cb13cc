#include "log/format.h"

#include <fmt/core.h>

#include "bytes/crc32c.h"
#include "bytes/cursor.h"

namespace tidemill::log {
namespace {

constexpr std::string_view file_magic = "TIDEMILL";
constexpr std::uint32_t group_magic = 0x72676d54;  // "Tmgr"
constexpr std::size_t file_crc_end = 12;
constexpr std::size_t group_crc_end = 8;

void put_table_row(ByteWriter& out, std::uint64_t stream, std::int64_t offset, std::uint32_t tenant_or_kind, std::uint32_t length) {
  out.le(stream);
  out.le(offset);
  out.le(tenant_or_kind);
  out.le(length);
}

// A row of a mark has no batch, and the mark's kind where a batch has its tenant.
std::optional<Mark> as_mark(const EntryRow& row) {
  auto kind = static_cast<Mark::Kind>(row.tenant.value);
  if (kind != Mark::Kind::trim && kind != Mark::Kind::forget && kind != Mark::Kind::skip) return std::nullopt;
  return Mark{kind, row.stream, row.base};
}

}  // namespace

std::string encode_file_header(const FileHeader& header) {
  ByteWriter out;
  out.text(file_magic);
  out.le<std::uint32_t>(0);
  out.le(header.version);
  out.le(header.number);
  out.le(header.salt);
  out.le(header.incarnation.value);
  out.le(header.file_bytes);
  out.le(header.created_ms);
  out.zeros(block_bytes - out.size());
  out.patch_le(file_magic.size(), crc32c(as_bytes(out.view().substr(file_crc_end))));
  return out.take();
}

Result<FileHeader> decode_file_header(std::span<const std::byte> block) {
  if (block.size() < block_bytes) return fail(Code::corrupt, "journal file is shorter than its header");
  ByteReader in(block);
  if (in.text(file_magic.size()) != file_magic) return fail(Code::corrupt, "not a journal file");
  auto crc = in.le<std::uint32_t>();
  if (crc32c(block.subspan(file_crc_end, block_bytes - file_crc_end)) != crc)
    return fail(Code::corrupt, "the journal file's header fails its checksum");
  auto version = in.le<std::uint32_t>();
  if (version == 0 || version > format_version)
    return fail(Code::unsupported, fmt::format("journal format version {} is not known; this program knows {}", version, format_version),
                "the data directory was written by a newer tidemill; start that one");
  FileHeader header;
  header.version = version;
  header.number = in.le<std::uint64_t>();
  header.salt = in.le<std::uint64_t>();
  header.incarnation = Incarnation{in.le<std::uint64_t>()};
  header.file_bytes = in.le<std::uint64_t>();
  header.created_ms = in.le<std::int64_t>();
  return header;
}

std::string encode_group_head(GroupHeader& header, std::span<const EntryRow> entries, std::span<const Mark> marks, std::span<const Slice> batches) {
  auto head_bytes = group_header_bytes + (entries.size() + marks.size()) * entry_row_bytes;
  std::uint64_t length = head_bytes;
  for (auto& batch : batches) length += batch.size();
  header.length = static_cast<std::uint32_t>(length);
  header.rows = static_cast<std::uint32_t>(entries.size() + marks.size());
  ByteWriter out;
  out.reserve(head_bytes);
  out.le(group_magic);
  out.le<std::uint32_t>(0);
  out.le<std::uint16_t>(format_version);
  out.le(header.flags);
  out.le(header.length);
  out.le(header.jsn.value);
  out.le(header.incarnation.value);
  out.le(header.durable.value);
  out.le(header.time_ms);
  out.le(header.leader_epoch);
  out.le(header.rows);
  out.le(header.salt);
  for (auto& entry : entries) put_table_row(out, entry.stream.value, entry.base.value, entry.tenant.value, entry.length);
  for (auto& mark : marks) put_table_row(out, mark.stream.value, mark.offset.value, static_cast<std::uint32_t>(mark.kind), 0);
  auto crc = crc32c(as_bytes(out.view().substr(group_crc_end)));
  for (auto& batch : batches) crc = crc32c(batch.bytes(), crc);
  out.patch_le(4, crc);
  return out.take();
}

std::optional<GroupHeader> decode_group_header(std::span<const std::byte> bytes) {
  if (bytes.size() < group_header_bytes) return std::nullopt;
  ByteReader in(bytes);
  if (in.le<std::uint32_t>() != group_magic) return std::nullopt;
  in.skip(4);
  if (auto version = in.le<std::uint16_t>(); version == 0 || version > format_version) return std::nullopt;
  GroupHeader header;
  header.flags = in.le<std::uint16_t>();
  header.length = in.le<std::uint32_t>();
  header.jsn = Jsn{in.le<std::uint64_t>()};
  header.incarnation = Incarnation{in.le<std::uint64_t>()};
  header.durable = Jsn{in.le<std::uint64_t>()};
  header.time_ms = in.le<std::int64_t>();
  header.leader_epoch = in.le<std::int32_t>();
  header.rows = in.le<std::uint32_t>();
  header.salt = in.le<std::uint64_t>();
  if (header.length < group_header_bytes + header.rows * std::uint64_t{entry_row_bytes}) return std::nullopt;
  return header;
}

std::optional<DecodedGroup> decode_group(std::span<const std::byte> bytes, Trust trust) {
  auto header = decode_group_header(bytes);
  if (!header || header->length > bytes.size()) return std::nullopt;
  bytes = bytes.first(header->length);
  if (trust == Trust::checksum) {
    ByteReader crc(bytes.subspan(4));
    if (crc.le<std::uint32_t>() != crc32c(bytes.subspan(group_crc_end))) return std::nullopt;
  }
  DecodedGroup group{*header, {}, {}, {}};
  group.entries.reserve(header->rows);
  group.at.reserve(header->rows);
  ByteReader in(bytes.subspan(group_header_bytes));
  std::uint64_t at = group_header_bytes + header->rows * std::uint64_t{entry_row_bytes};
  for (std::uint32_t i = 0; i < header->rows; ++i) {
    EntryRow row;
    row.stream = StreamId{in.le<std::uint64_t>()};
    row.base = Offset{in.le<std::int64_t>()};
    row.tenant = TenantId{in.le<std::uint32_t>()};
    row.length = in.le<std::uint32_t>();
    if (row.length == 0) {
      auto mark = as_mark(row);
      if (!mark) return std::nullopt;
      group.marks.push_back(*mark);
      continue;
    }
    if (!group.marks.empty() || at + row.length > header->length) return std::nullopt;
    group.entries.push_back(row);
    group.at.push_back(static_cast<std::uint32_t>(at));
    at += row.length;
  }
  if (at != header->length) return std::nullopt;
  return group;
}

}  // namespace tidemill::log
