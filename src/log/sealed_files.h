// SealedFiles: reads the seals of journal files page by page, keeping few files open and few pages in memory. Thread-safe.
//
// A page whose checksum fails is never used. When a seal cannot be trusted, its pages are rebuilt from the data and kept in
// memory (remember_rebuilt); the file itself is left as it is, because it is evidence. Who still reads by the footer from before
// gets Code::corrupt, and reads again by current().
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "log/paged_files.h"
#include "log/seal.h"
#include "world/disk.h"

namespace tidemill::log {

class SealedFiles {
 public:
  SealedFiles(world::Disk& disk, std::string dir);

  Result<std::shared_ptr<world::File>> file(std::uint64_t number) { return files_.file(number); }
  void remember_file(std::uint64_t number, std::shared_ptr<world::File> file) { files_.remember_file(number, std::move(file)); }
  // The file is about to be used again, or removed: nobody reads it any more.
  void forget(std::uint64_t number);
  // `pages` as encode_seal() made them: table positions count from footer.data_end.
  void remember_rebuilt(const Footer& footer, std::string pages);
  bool is_rebuilt(std::uint64_t number) const;
  // The footer to read by: the rebuilt one, where there is one.
  Footer current(const Footer& footer) const;

  // Row `i` of one of the tables.
  template <class Row>
  Result<Row> row(const Footer& seal, std::uint64_t i) {
    TRY_ASSIGN(bytes, page(seal, Row::kind, static_cast<std::uint32_t>(i / rows_per_page<Row>)));
    ByteReader in(as_bytes(*bytes).subspan(page_header_bytes + i % rows_per_page<Row> * Row::bytes));
    Row row;
    get_row(in, row);
    return row;
  }

  // The first row that is not before; `before(row)` must be true for a prefix of the table.
  template <class Row, class Before>
  Result<std::uint64_t> first_row_not(const Footer& seal, Before before) {
    std::uint64_t low = 0, high = seal.table(Row::kind).rows;
    while (low < high) {
      auto middle = (low + high) / 2;
      TRY_ASSIGN(r, row<Row>(seal, middle));
      if (before(r)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // The files whose pages have failed since the last call.
  std::vector<std::uint64_t> take_bad();

  // All rows of a table, past the cache; for recovery.
  template <class Row>
  Result<std::vector<Row>> all_rows(const Footer& seal);

 private:
  using Page = PagedFiles::Page;
  Result<Page> page(const Footer& seal, PageKind kind, std::uint32_t number);
  struct Rebuilt {
    Footer footer;
    Page pages;              // null: the file's own are used
    std::uint64_t life = 0;  // how often they were made
  };
  // What is kept in memory for the file, if anything. Code::corrupt when `seal` is not its footer.
  Result<Rebuilt> rebuilt(const Footer& seal) const;
  Result<Page> load(const Footer& seal, PageKind kind, std::uint32_t number, std::uint64_t position);

  PagedFiles files_;
  mutable std::mutex mutex_;
  std::vector<std::uint64_t> bad_;
  std::unordered_map<std::uint64_t, Rebuilt> rebuilt_;
};

template <class Row>
Result<std::vector<Row>> SealedFiles::all_rows(const Footer& seal) {
  auto& table = seal.table(Row::kind);
  std::vector<Row> rows;
  rows.reserve(table.rows);
  for (std::uint32_t number = 0; rows.size() < table.rows; ++number) {
    TRY_ASSIGN(bytes, load(seal, Row::kind, number, table.position + number * block_bytes));
    auto count = std::min(rows_per_page<Row>, table.rows - rows.size());
    ByteReader in(as_bytes(*bytes).subspan(page_header_bytes));
    for (std::uint64_t i = 0; i < count; ++i) get_row(in, rows.emplace_back());
  }
  return rows;
}

}  // namespace tidemill::log
