#include "flow/decode.h"

#include "base/check.h"
#include "bytes/cursor.h"
#include "flow/primitive.h"
#include "flow/window_end.h"

namespace tidemill::flow {

using record::Chunk;
using record::Column;
using record::Kind;
using record::RowOp;
using record::RowOrigin;
using Token = JsonCursor::Token;

struct RowDecoder::Envelope {
  std::string_view before, after, payload, op;
  bool has_payload = false;
};

RowDecoder::RowDecoder(const sql::Source& source, std::vector<bool> used) : source_(source), used_(std::move(used)) {
  CHECK(used_.size() == source.columns.size() + sql::pseudo_count, "{}", used_.size());
  changes_ = source.value_format == sql::Format::debezium_json;
  table_ = source.kind == sql::SourceKind::table;
  std::vector<JsonObject::FieldPlan> keys, values;
  for (std::size_t i = 0; i < source.columns.size(); ++i) {
    auto& column = source.columns[i];
    bool key = column.role == sql::ColumnRole::key;
    (key ? key_columns_ : value_columns_).push_back(static_cast<int>(i));
    (key ? keys : values).push_back({column.name, column.type});
    if (source.timestamp_column == column.name) {
      timestamp_column_ = static_cast<int>(i);
      used_[i] = true;
    }
  }
  if (source.key_format == sql::Format::json) {
    key_object_ = std::make_unique<JsonObject>(keys);
    if (keys.size() == 1) key_shape_ = std::make_unique<JsonShape>(keys[0].type);
  }
  if (changes_ || source.value_format == sql::Format::json) {
    if (!changes_ && values.size() == 1 && !source.wrap_single_value) value_shape_ = std::make_unique<JsonShape>(values[0].type);
    else value_object_ = std::make_unique<JsonObject>(values);
  }
}

void RowDecoder::prepare(Chunk& chunk) {
  prepared_ = &chunk;
  chunk.columns.clear();
  for (auto& column : source_.columns) chunk.columns.emplace_back(column.type);
  for (int i = 0; i < sql::pseudo_count; ++i)
    chunk.columns.emplace_back(static_cast<sql::Pseudo>(i) == sql::Pseudo::rowpartition ? Kind::integer : Kind::bigint);
  auto out = [&](int i) { return used_[static_cast<std::size_t>(i)] ? &chunk.columns[static_cast<std::size_t>(i)] : nullptr; };
  key_outs_.clear();
  value_outs_.clear();
  for (int i : key_columns_) key_outs_.push_back(out(i));
  for (int i : value_columns_) value_outs_.push_back(out(i));
}

bool RowDecoder::bad(bool in_key, std::string message) {
  error_ = {in_key, std::move(message)};
  return false;
}

bool RowDecoder::bad_json(bool in_key, const JsonCursor& in, std::string why) {
  if (!why.empty()) return bad(in_key, std::move(why));
  return bad(in_key, std::string("invalid JSON: ") + in.error());
}

bool RowDecoder::decode(const record::RecordView& record, RowOrigin origin, Chunk& chunk) {
  CHECK(prepared_ == &chunk);
  auto rows = chunk.rows();
  bool good = record.timestamp_ms >= 0 || bad(false, "invalid timestamp " + std::to_string(record.timestamp_ms));
  if (good && table_ && !record.key && !key_columns_.empty()) return true;  // a table ignores rows without a key
  good = good && decode_key(record, chunk);
  if (good) {
    if (record.value) good = decode_value(*record.value, origin, chunk);
    else if (changes_) chunk.truncate(rows);  // the tombstone that follows a delete, which has said it already
    else good = row_without_value(origin, chunk);
  }
  if (!good) chunk.truncate(rows);
  return good;
}

void RowDecoder::append_nulls(const std::vector<Column*>& columns) {
  for (auto* column : columns)
    if (column) column->append_null();
}

bool RowDecoder::decode_key(const record::RecordView& record, Chunk& chunk) {
  if (!record.key || source_.key_format == sql::Format::none || key_columns_.empty()) {
    append_nulls(key_outs_);
    return true;
  }
  auto key = *record.key;
  if (source_.window) {
    if (key.size() < 8) return bad(true, "windowed key is shorter than its window start");
    window_start_ms_ = ByteReader(key.substr(key.size() - 8)).i64();
    key.remove_suffix(8);
  }
  if (source_.key_format == sql::Format::json) return decode_json_key(key, chunk);
  auto& type = source_.columns[static_cast<std::size_t>(key_columns_[0])].type;
  if (decode_primitive(type, key, key_outs_[0])) return true;
  return bad(true, std::to_string(key.size()) + " bytes are not a KAFKA " + type.text());
}

bool RowDecoder::decode_json_key(std::string_view key, Chunk& chunk) {
  JsonCursor in(key);
  bool bare = key_shape_ && (!changes_ || in.peek() != Token::object);
  if (bare) {
    if (key_shape_->decode(in, key_outs_[0], chunk.arena) && in.finish()) return true;
    return bad_json(true, in, key_shape_->why());
  }
  if (changes_) {  // Connect's JsonConverter may have put the key into {"schema", "payload"}
    Envelope envelope;
    if (!read_envelope(key, envelope)) return bad(true, "invalid JSON key");
    if (envelope.has_payload) key = envelope.payload;
  }
  JsonCursor object(key);
  if (key_object_->decode(object, key_outs_, chunk.arena) && object.finish()) return true;
  return bad_json(true, object, key_object_->why());
}

bool RowDecoder::decode_value(std::string_view value, RowOrigin& origin, Chunk& chunk) {
  if (changes_) return decode_change(value, origin, chunk);
  bool no_value = false;
  switch (source_.value_format) {
    case sql::Format::json:
      if (!decode_json_value(value, chunk, no_value)) return false;
      break;
    case sql::Format::kafka: {
      if (value_columns_.empty()) break;
      auto& type = source_.columns[static_cast<std::size_t>(value_columns_[0])].type;
      if (!decode_primitive(type, value, value_outs_[0]))
        return bad(false, std::to_string(value.size()) + " bytes are not a KAFKA " + type.text());
      break;
    }
    default: append_nulls(value_outs_);
  }
  if (no_value) return row_without_value(origin, chunk);
  return finish_row(RowOp::insert, origin, chunk);
}

bool RowDecoder::decode_json_value(std::string_view value, Chunk& chunk, bool& no_value) {
  JsonCursor in(value);
  if (value_shape_) {
    if (value_shape_->decode(in, value_outs_[0], chunk.arena) && in.finish()) return true;
    return bad_json(false, in, value_shape_->why());
  }
  auto token = in.peek();
  if (token == Token::null) {
    no_value = true;
    return (in.literal("null") && in.finish()) || bad_json(false, in, {});
  }
  if (token != Token::object) return (in.skip(), bad_json(false, in, in.ok() ? "expected an object" : ""));
  if (value_object_->decode(in, value_outs_, chunk.arena) && in.finish()) return true;
  return bad_json(false, in, value_object_->why());
}

// A null value deletes the key's row of a table; a stream passes it on.
bool RowDecoder::row_without_value(RowOrigin origin, Chunk& chunk) {
  append_nulls(value_outs_);
  return finish_row(table_ ? RowOp::remove : RowOp::no_value, origin, chunk);
}

bool RowDecoder::finish_row(RowOp op, RowOrigin origin, Chunk& chunk) {
  if (timestamp_column_ >= 0 && op != RowOp::remove && op != RowOp::no_value) {
    auto& times = chunk.columns[static_cast<std::size_t>(timestamp_column_)];
    auto row = times.size() - 1;
    if (times.lane != record::Lane::whole || times.null(row) || times.whole[row] < 0)
      return bad(false, "column " + *source_.timestamp_column + " holds no valid timestamp");
    origin.timestamp_ms = times.whole[row];
  }
  auto pseudo = [&](sql::Pseudo which, std::int64_t v) {
    auto i = source_.columns.size() + static_cast<std::size_t>(which);
    if (used_[i]) chunk.columns[i].append_whole(v);
  };
  pseudo(sql::Pseudo::rowtime, origin.timestamp_ms);
  pseudo(sql::Pseudo::rowpartition, origin.partition);
  pseudo(sql::Pseudo::rowoffset, origin.offset);
  pseudo(sql::Pseudo::windowstart, window_start_ms_);
  pseudo(sql::Pseudo::windowend, window_end(window_start_ms_, source_.window ? source_.window->size_ms : 0));
  chunk.ops.push_back(op);
  chunk.origins.push_back(origin);
  return true;
}

bool RowDecoder::read_envelope(std::string_view value, Envelope& out) {
  JsonCursor in(value);
  if (in.peek() != Token::object) return (in.skip(), false);
  if (!in.open_object()) return false;
  JsonCursor::String name;
  for (bool first = true; in.field(name, first); first = false) {
    std::string_view span;
    if (!in.skip(&span)) return false;
    if (name.raw == "before") out.before = span;
    else if (name.raw == "after") out.after = span;
    else if (name.raw == "op") out.op = span;
    else if (name.raw == "payload") { out.payload = span; out.has_payload = true; }
  }
  return in.finish();
}

bool RowDecoder::read_image(std::string_view image, Chunk& chunk) {
  JsonCursor in(image);
  if (value_object_->decode(in, value_outs_, chunk.arena) && in.finish()) return true;
  return bad_json(false, in, value_object_->why());
}

void RowDecoder::repeat_key(Chunk& chunk) {
  for (auto* column : key_outs_)
    if (column) column->append_from(*column, column->size() - 1);
}

bool RowDecoder::decode_change(std::string_view value, RowOrigin& origin, Chunk& chunk) {
  auto rows = chunk.rows();
  Envelope change;
  if (!read_envelope(value, change)) return bad(false, "invalid JSON, or not a change event");
  if (change.op.empty() && change.has_payload) {
    auto payload = change.payload;
    change = {};
    if (payload == "null") return (chunk.truncate(rows), true);
    if (!read_envelope(payload, change)) return bad(false, "payload is not a change event");
  }
  auto has = [](std::string_view image) { return !image.empty() && image != "null"; };
  auto op = change.op;
  if (op == "\"t\"" || op == "\"m\"") return (chunk.truncate(rows), true);
  if (op == "\"d\"") {
    if (!table_ && has(change.before)) return read_image(change.before, chunk) && finish_row(RowOp::remove, origin, chunk);
    changes_without_before_ += !table_;
    return row_without_value(origin, chunk);
  }
  if (op != "\"c\"" && op != "\"r\"" && op != "\"u\"") return bad(false, "change event without a known op");
  if (!has(change.after)) return bad(false, "change event without the row after it");
  if (op != "\"u\"" || table_) return read_image(change.after, chunk) && finish_row(RowOp::insert, origin, chunk);
  if (!has(change.before)) {
    ++changes_without_before_;
    return read_image(change.after, chunk) && finish_row(RowOp::update_after, origin, chunk);
  }
  if (!read_image(change.before, chunk) || !finish_row(RowOp::update_before, origin, chunk)) return false;
  repeat_key(chunk);
  return read_image(change.after, chunk) && finish_row(RowOp::update_after, origin, chunk);
}

}  // namespace tidemill::flow
