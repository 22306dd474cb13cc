#include "log/table_file.h"

#include <fmt/core.h>

#include "base/check.h"
#include "bytes/crc32c.h"

namespace tidemill::log {
namespace {

constexpr std::string_view magic = "TMTABLES";
constexpr std::size_t crc_end = 12;
constexpr std::uint32_t version = 1;
constexpr std::uint64_t piece_bytes = 1u << 20;

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

std::string read_block(const world::File& file, std::uint64_t position) {
  std::string block(block_bytes, '\0');
  auto got = file.read_at(position, std::as_writable_bytes(std::span(block)));
  block.resize(got ? *got : 0);
  return block;
}

}  // namespace

std::string encode_table_file_header(const TableFileHeader& header) {
  ByteWriter out;
  out.text(magic);
  out.le<std::uint32_t>(0);
  out.le(version);
  out.le(static_cast<std::uint32_t>(header.kind));
  out.le<std::uint32_t>(0);
  out.le(header.salt);
  out.le(header.half_bytes);
  for (auto& table : header.tables) {
    out.le(table.position);
    out.le(table.rows);
  }
  for (auto fact : header.facts) out.le(fact);
  out.zeros(block_bytes - out.size());
  out.patch_le(magic.size(), crc32c(as_bytes(out.view().substr(crc_end))));
  return out.take();
}

Result<TableFileHeader> decode_table_file_header(std::span<const std::byte> block) {
  ByteReader in(block);
  if (block.size() < block_bytes || in.text(magic.size()) != magic) return fail(Code::corrupt, "not a table file");
  auto crc = in.le<std::uint32_t>();
  if (crc32c(block.subspan(crc_end, block_bytes - crc_end)) != crc) return fail(Code::corrupt, "the table file's header fails its checksum");
  if (auto found = in.le<std::uint32_t>(); found != version)
    return fail(Code::unsupported, fmt::format("table file version {} is not known; this program knows {}", found, version),
                "the data directory was written by a newer tidemill; start that one");
  TableFileHeader header;
  header.kind = static_cast<TableFileKind>(in.le<std::uint32_t>());
  in.skip(4);
  header.salt = in.le<std::uint64_t>();
  header.half_bytes = in.le<std::uint64_t>();
  for (auto& table : header.tables) {
    table.position = in.le<std::uint64_t>();
    table.rows = in.le<std::uint64_t>();
  }
  for (auto& fact : header.facts) fact = in.le<std::uint64_t>();
  return header;
}

// ---- writing

Result<TableWriter> TableWriter::create(world::Disk& disk, std::string path, TableFileKind kind, std::uint64_t salt) {
  TRY_ASSIGN(file, disk.open(path + ".tmp", world::Open::create));
  TRY(file->truncate(0));
  TableFileHeader header;
  header.kind = kind;
  header.salt = salt;
  TableWriter writer(disk, std::move(path), std::move(file), header);
  writer.pending_.assign(block_bytes, '\0');  // the header's place
  return writer;
}

Result<void> TableWriter::begin_table(std::size_t index, PageKind kind) {
  CHECK(index >= table_ && index < tables_max && !half_done_, "{} after {}", index, table_);
  if (in_table_ && index == table_) {
    if (page_.size() == 0) begin_page(page_, page_kind_, page_number_, header_.salt);
    return {};
  }
  if (page_rows_ > 0) TRY(finish_page());
  table_ = index;
  in_table_ = true;
  page_kind_ = kind;
  page_number_ = 0;
  header_.tables[index].position = written_ + pending_.size();
  begin_page(page_, page_kind_, page_number_, header_.salt);
  return {};
}

Result<void> TableWriter::finish_page() {
  end_page(page_, page_rows_);
  pending_ += page_.view();
  page_.clear();
  page_rows_ = 0;
  ++page_number_;
  return pending_.size() >= piece_bytes ? flush() : Result<void>{};
}

Result<void> TableWriter::flush() {
  TRY(file_->write_at(written_, as_bytes(pending_)));
  written_ += pending_.size();
  pending_.clear();
  return file_->sync_data();
}

Result<void> TableWriter::end_half() {
  if (page_rows_ > 0) TRY(finish_page());
  TRY(flush());
  header_.half_bytes = written_;
  half_done_ = true;
  return file_->write_at(0, as_bytes(encode_table_file_header(header_)));
}

Result<bool> TableWriter::finish() {
  if (!half_done_) {
    TRY(end_half());
    return false;
  }
  if (copied_ < written_) {
    std::string piece(std::min(piece_bytes, written_ - copied_), '\0');
    TRY_ASSIGN(got, file_->read_at(copied_, std::as_writable_bytes(std::span(piece))));
    if (got != piece.size()) return fail(Code::io, "a file became shorter while it was written");
    TRY(file_->write_at(written_ + copied_, as_bytes(piece)));
    copied_ += piece.size();
    if (copied_ < written_) return false;
  }
  TRY(file_->sync_data());
  TRY(disk_->rename(path_ + ".tmp", path_));
  TRY(disk_->sync_dir(folder_of(path_)));
  return true;
}

void TableWriter::abandon() {
  file_.reset();
  (void)disk_->remove(path_ + ".tmp");
}

// ---- reading

Result<TableReader> TableReader::open(world::Disk& disk, const std::string& path) {
  TableReader reader;
  reader.path_ = path;
  TRY_ASSIGN(file, disk.open(path, world::Open::read));
  reader.file_ = std::move(file);
  TRY_ASSIGN(bytes, reader.file_->size());
  auto header = decode_table_file_header(as_bytes(read_block(*reader.file_, 0)));
  if (!header && header.error().code == Code::corrupt) {
    ++reader.repaired_;
    header = decode_table_file_header(as_bytes(read_block(*reader.file_, bytes / 2 / block_bytes * block_bytes)));
  }
  if (!header) return fail(header.error().code, fmt::format("\"{}\": {}", path, header.error().message), header.error().hint);
  reader.header_ = *header;
  return reader;
}

Result<std::string> TableReader::block(PageKind kind, const Table& table, std::uint32_t number) {
  auto position = table.position + number * block_bytes;
  auto first = read_block(*file_, position);
  if (check_page(as_bytes(first), kind, number, header_.salt)) return first;
  ++repaired_;
  auto second = read_block(*file_, header_.half_bytes + position);
  TRY(check_page(as_bytes(second), kind, number, header_.salt));
  return second;
}

}  // namespace tidemill::log
