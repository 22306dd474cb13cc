// From a record to rows: the decoder of one source, owned by one task. It reads the key and the value by the source's formats and appends
// what they mean to a chunk: usually one row, two for a change with both images, none for a record that says nothing.
//
// Input columns are the source's columns in order, then the pseudo columns (plan.h). Only the used ones are filled; whether a
// record is good does not depend on which those are.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "flow/json_decode.h"
#include "record/batch.h"
#include "record/chunk.h"
#include "sql/plan.h"

namespace tidemill::flow {

struct DecodeError {
  bool in_key = false;
  std::string message;
};

class RowDecoder {
 public:
  // `used` has an entry for every input column.
  RowDecoder(const sql::Source& source, std::vector<bool> used);

  // Gives `chunk` its columns. It must be the chunk of every decode() that follows and must not move.
  void prepare(record::Chunk& chunk);

  // False: nothing was appended, error() says why. The views appended point into the record.
  bool decode(const record::RecordView& record, record::RowOrigin origin, record::Chunk& chunk);
  const DecodeError& error() const { return error_; }

  // Changes that came without the row as it was before, so that nothing could be undone.
  std::uint64_t changes_without_before() const { return changes_without_before_; }

 private:
  struct Envelope;
  bool decode_key(const record::RecordView& record, record::Chunk& chunk);
  bool decode_json_key(std::string_view key, record::Chunk& chunk);
  bool decode_value(std::string_view value, record::RowOrigin& origin, record::Chunk& chunk);
  bool decode_json_value(std::string_view value, record::Chunk& chunk, bool& no_value);
  bool decode_change(std::string_view value, record::RowOrigin& origin, record::Chunk& chunk);
  bool read_envelope(std::string_view value, Envelope& envelope);
  bool read_image(std::string_view image, record::Chunk& chunk);
  bool finish_row(record::RowOp op, record::RowOrigin origin, record::Chunk& chunk);
  bool row_without_value(record::RowOrigin origin, record::Chunk& chunk);
  void repeat_key(record::Chunk& chunk);
  void append_nulls(const std::vector<record::Column*>& columns);
  bool bad(bool in_key, std::string message);
  bool bad_json(bool in_key, const JsonCursor& in, std::string why);

  sql::Source source_;
  std::vector<bool> used_;
  std::vector<int> key_columns_, value_columns_;
  std::unique_ptr<JsonObject> key_object_, value_object_;
  std::unique_ptr<JsonShape> key_shape_, value_shape_;  // bare values
  int timestamp_column_ = -1;
  bool changes_ = false;  // DEBEZIUM_JSON
  bool table_ = false;

  record::Chunk* prepared_ = nullptr;
  std::vector<record::Column*> key_outs_, value_outs_;
  std::int64_t window_start_ms_ = 0;
  DecodeError error_;
  std::uint64_t changes_without_before_ = 0;
};

}  // namespace tidemill::flow
