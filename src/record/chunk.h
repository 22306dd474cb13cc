// Rows in columns: what operators work on. A Chunk is owned by one query's task and reused from step to step.
//
// Always true: every column of a chunk has as many rows as `ops`, or none because nobody reads it; a text view points into the
// chunk's arena, into a buffer the arena holds, or into something that outlives the chunk. Clearing the chunk ends all its views:
// state copies what it keeps.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "record/types.h"

namespace tidemill::record {

// Memory for text that lives as long as one chunk.
class Arena {
 public:
  char* allocate(std::size_t bytes);
  std::string_view keep(std::string_view text);
  // Gives back the unused end of the latest allocation.
  void shrink(char* from, std::size_t used);
  void hold(std::shared_ptr<const void> owner) { held_.push_back(std::move(owner)); }
  void clear();

 private:
  static constexpr std::size_t block_bytes = 64u << 10;
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::size_t block_ = 0;  // the one being filled
  char* at_ = nullptr;
  char* end_ = nullptr;
  std::vector<std::unique_ptr<char[]>> large_;
  std::vector<std::shared_ptr<const void>> held_;
};

// Which vector of a Column holds its values. BOOLEAN, INTEGER, BIGINT, DATE, TIME and TIMESTAMP are all whole numbers.
enum class Lane : std::uint8_t { whole, real, decimal, text, list, map, structure };
Lane lane_of(Kind kind);

// One typed column. `valid` has a byte per row; the lane's vector has an element per row, also for NULL. Rows of ARRAY and MAP lie
// one after the other in `parts`, row r ending at ends[r]; a MAP's parts are keys and values; a STRUCT's parts are its fields.
struct Column {
  Column() = default;
  explicit Column(Type type);

  Type type;
  Lane lane = Lane::text;
  std::vector<std::uint8_t> valid;
  std::vector<std::int64_t> whole;
  std::vector<double> real;
  std::vector<__int128> decimal;
  std::vector<std::string_view> text;
  std::vector<std::uint32_t> ends;
  std::vector<Column> parts;

  std::size_t size() const { return valid.size(); }
  bool null(std::size_t row) const { return valid[row] == 0; }
  std::uint32_t begin_of(std::size_t row) const { return row == 0 ? 0 : ends[row - 1]; }

  void clear() { truncate(0); }
  void truncate(std::size_t rows);
  // Makes it `rows` long, new rows NULL. For fixed lanes rows may then be written in any order; nested ones only grow.
  void resize(std::size_t rows);
  void append_null();
  void append_whole(std::int64_t v) { valid.push_back(1); whole.push_back(v); }
  void append_real(double v) { valid.push_back(1); real.push_back(v); }
  void append_decimal(__int128 v) { valid.push_back(1); decimal.push_back(v); }
  void append_text(std::string_view v) { valid.push_back(1); text.push_back(v); }
  void append(const Value& value, Arena& arena);
  // Shares the other's text views.
  void append_from(const Column& other, std::size_t row);
  Value value(std::size_t row) const;
};

// What a row does to the row of the same key before it. `no_value` is a stream record without a value.
enum class RowOp : std::uint8_t { insert, update_before, update_after, remove, no_value };

// Where a row came from. Its output carries the timestamp and the headers.
struct RowOrigin {
  std::int64_t timestamp_ms = 0;
  std::int64_t offset = 0;
  Jsn jsn;
  std::uint32_t index = 0;  // of the batch in its group
  std::int32_t partition = 0;
  std::string_view headers;  // encoded, as RecordView has them
};

struct Chunk {
  std::vector<Column> columns;
  std::vector<RowOp> ops;
  std::vector<RowOrigin> origins;
  std::vector<std::uint32_t> selection;  // rows that count, ascending
  Arena arena;

  std::size_t rows() const { return ops.size(); }
  void clear();
  void truncate(std::size_t rows);
  void select_all();
};

}  // namespace tidemill::record
