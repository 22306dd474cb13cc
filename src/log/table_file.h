// Table files: sorted tables of fixed-size rows, replaced as a whole, with every block there twice: the checkpoint and the manifest.
//
// A file is two equal halves, each a header block and pages as in a seal. It is written to NAME.tmp, synced, renamed, the folder
// synced; so after a crash the old file or the new one is there, whole. A block that fails its checksum is read from the other half.
// docs/formats/tables.md is the grammar.
#pragma once

#include <memory>
#include <string>

#include "log/seal.h"
#include "world/disk.h"

namespace tidemill::log {

enum class TableFileKind : std::uint32_t { checkpoint = 1, manifest = 2 };
inline constexpr std::size_t tables_max = 4, facts_max = 8;

struct TableFileHeader {
  TableFileKind kind{};
  std::uint64_t salt = 0;        // of this file's pages; differs from one writing to the next
  std::uint64_t half_bytes = 0;
  std::array<Table, tables_max> tables{};           // positions count from the start of a half
  std::array<std::uint64_t, facts_max> facts{};     // what the kind says they are
};
std::string encode_table_file_header(const TableFileHeader& header);  // one block
// Code::unsupported for a newer version, Code::corrupt otherwise.
Result<TableFileHeader> decode_table_file_header(std::span<const std::byte> block);

// Writes one file. Tables one after the other, rows in order. Nothing at the path changes before finish() returns.
class TableWriter {
 public:
  // `path` without .tmp.
  static Result<TableWriter> create(world::Disk& disk, std::string path, TableFileKind kind, std::uint64_t salt);

  // Rows of table `index`, 0 first; an index may be skipped, and never comes back.
  template <class Row>
  Result<void> put(std::size_t index, const Row& row) {
    TRY(begin_table(index, Row::kind));
    put_row(page_, row);
    ++header_.tables[index].rows;
    if (++page_rows_ == rows_per_page<Row>) return finish_page();
    return {};
  }
  void fact(std::size_t index, std::uint64_t value) { header_.facts[index] = value; }
  // The second half, synced and renamed. To be called until it says true; each call writes about 1 MiB.
  Result<bool> finish();
  // Removes what was written; harmless when it fails.
  void abandon();

 private:
  TableWriter(world::Disk& disk, std::string path, std::shared_ptr<world::File> file, TableFileHeader header)
      : disk_(&disk), path_(std::move(path)), file_(std::move(file)), header_(header) {}
  Result<void> begin_table(std::size_t index, PageKind kind);
  Result<void> finish_page();
  Result<void> flush();
  Result<void> end_half();

  world::Disk* disk_;
  std::string path_;
  std::shared_ptr<world::File> file_;
  TableFileHeader header_;
  std::size_t table_ = 0;
  bool in_table_ = false;
  PageKind page_kind_{};
  ByteWriter page_;
  std::uint32_t page_number_ = 0;
  std::uint64_t page_rows_ = 0;
  std::string pending_;        // pages not yet written
  std::uint64_t written_ = 0;  // of the first half
  std::uint64_t copied_ = 0;   // of the second
  bool half_done_ = false;
};

class TableReader {
 public:
  // Code::not_found when there is no file; Code::corrupt when both headers are bad.
  static Result<TableReader> open(world::Disk& disk, const std::string& path);

  const TableFileHeader& header() const { return header_; }
  std::uint64_t fact(std::size_t index) const { return header_.facts[index]; }
  // Blocks that had to be read from the other half so far: the file wants to be written again.
  std::uint64_t repaired() const { return repaired_; }

  // The rows of one page of a table; empty behind the last one.
  template <class Row>
  Result<std::vector<Row>> page(std::size_t index, std::uint32_t number) {
    auto& table = header_.tables[index];
    std::vector<Row> rows;
    auto first = number * rows_per_page<Row>;
    if (first >= table.rows) return rows;
    TRY_ASSIGN(bytes, block(Row::kind, table, number));
    auto count = std::min(rows_per_page<Row>, table.rows - first);
    rows.resize(count);
    ByteReader in(as_bytes(bytes).subspan(page_header_bytes));
    for (auto& row : rows) get_row(in, row);
    return rows;
  }

 private:
  Result<std::string> block(PageKind kind, const Table& table, std::uint32_t number);

  std::string path_;
  std::shared_ptr<world::File> file_;
  TableFileHeader header_;
  std::uint64_t repaired_ = 0;
};

// Row by row through one table; reads a page at a time.
template <class Row>
class TableCursor {
 public:
  TableCursor(TableReader& reader, std::size_t index) : reader_(&reader), index_(index) {}
  // The next row; null at the end.
  Result<const Row*> peek() {
    if (at_ == rows_.size() && !ended_) {
      TRY_ASSIGN(rows, reader_->page<Row>(index_, number_++));
      rows_ = std::move(rows);
      at_ = 0;
      ended_ = rows_.empty();
    }
    return ended_ ? nullptr : &rows_[at_];
  }
  void next() { ++at_; }

 private:
  TableReader* reader_;
  std::size_t index_;
  std::vector<Row> rows_;
  std::size_t at_ = 0;
  std::uint32_t number_ = 0;
  bool ended_ = false;
};

}  // namespace tidemill::log
