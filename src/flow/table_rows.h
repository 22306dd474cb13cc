// The latest row of each key of a table that a query reads: what an update replaces and what a delete takes away. Owned by one pipeline.
//
// Always true: a key is here exactly when the table has a row for it, as of the last input row that was run through.
#pragma once

#include <string>
#include <vector>

#include "bytes/cursor.h"
#include "flow/key_table.h"
#include "record/chunk.h"

namespace tidemill::flow {

class TableRows {
 public:
  // `kept` are the columns whose values are kept, `keys` those that make the key.
  TableRows(std::vector<int> kept, std::vector<int> keys) : kept_(std::move(kept)), keys_(std::move(keys)) {}

  // Rows come as inserts and removes by key. Notes them, and writes to `out` what really changed: an update is the row before and the
  // row after it, a remove carries the row it took. A remove of a key that is not there says nothing, unless `pass_unknown`.
  void run(const record::Chunk& in, record::Chunk& out, bool pass_unknown);

  // Only notes them; for queries that need no row before.
  void note(const record::Chunk& in);

  // Reading rows: numbers below end(), of which some are not live.
  std::uint32_t end() const { return keys_table_.end(); }
  bool live(std::uint32_t number) const { return keys_table_.live(number); }
  std::uint32_t find(std::string_view key) const { return keys_table_.find(key); }
  // Appends the row to the kept columns of `out`.
  void append_row(std::uint32_t number, record::Chunk& out) const;

  std::size_t bytes() const { return keys_table_.bytes() + rows_.size() * sizeof(std::string) + row_bytes_; }
  void write(ByteWriter& out) const;
  bool read(ByteReader& in);

 private:
  void encode_key(const record::Chunk& in, std::size_t row);
  void encode_row(const record::Chunk& in, std::size_t row);
  void remember(std::uint32_t number);
  void forget(std::uint32_t number);

  std::vector<int> kept_, keys_;
  KeyTable keys_table_;
  std::vector<std::string> rows_;
  std::size_t row_bytes_ = 0;
  std::string key_, row_;
};

}  // namespace tidemill::flow
