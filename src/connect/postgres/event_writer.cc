#include "connect/postgres/event_writer.h"

#include <fmt/format.h>

#include "connect/json_text.h"
#include "connect/postgres/event_schema.h"

namespace tidemill::connect::postgres {
namespace {

const FieldValue missing;

const FieldValue& value_at(const Row& row, std::size_t column) { return column < row.size() ? row[column] : missing; }

void append_times(std::string& out, std::int64_t now_ms) {
  out.append(",\"ts_ms\":");
  append_json_number(out, now_ms);
  out.append(",\"ts_us\":");
  append_json_number(out, now_ms * 1000);
  out.append(",\"ts_ns\":");
  append_json_number(out, now_ms * 1'000'000);
}

// ["<commit before>","<this>"] as one JSON string.
void append_sequence(std::string& out, const Origin& origin) {
  out.append("\"[");
  if (origin.last_commit) {
    out.append("\\\"");
    append_json_number(out, static_cast<std::int64_t>(origin.last_commit->value));
    out.append("\\\"");
  } else {
    out.append("null");
  }
  out.append(",\\\"");
  append_json_number(out, static_cast<std::int64_t>(origin.lsn.value));
  out.append("\\\"]\"");
}

void append_transaction(std::string& out, const TransactionBlock* block) {
  if (block == nullptr) {
    out.append("null");
    return;
  }
  out.append("{\"id\":");
  append_json_string(out, block->id);
  out.append(",\"total_order\":");
  append_json_number(out, block->total_order);
  out.append(",\"data_collection_order\":");
  append_json_number(out, block->table_order);
  out.push_back('}');
}

}  // namespace

EventWriter::EventWriter(std::shared_ptr<const Table> table, std::shared_ptr<const EventFormat> format)
    : table_(std::move(table)), format_(std::move(format)) {
  for (auto& column : table_->columns) {
    if (!column.optional) required_.push_back(prepared_.size());
    prepared_.push_back({json_string(column.name) + ":", column.optional ? "null" : fallback_value(column.type),
                         placeholder_value(column.type, format_->placeholder)});
  }
  source_head_ = fmt::format(R"({{"version":"{}","connector":"postgresql","name":{},"ts_ms":)", source_version, json_string(format_->prefix));
  source_db_ = ",\"db\":" + json_string(format_->database) + ",\"sequence\":";
  source_table_ = ",\"schema\":" + json_string(table_->schema) + ",\"table\":" + json_string(table_->name) + ",\"txId\":";
  build_schemas();
}

bool EventWriter::contradicts(const Row& row) const {
  for (auto column : required_)
    if (column < row.size() && row[column].presence == Presence::null) return true;
  return false;
}

void EventWriter::build_schemas() {
  if (format_->key_schemas) {
    key_head_ = "{\"schema\":" + key_schema(*table_, *format_) + ",\"payload\":";
    tail_key_ = "}";
  }
  if (format_->value_schemas) {
    auto schema = format_->unwrap ? unwrapped_schema(*table_, *format_) : envelope_schema(*table_, *format_);
    value_head_ = "{\"schema\":" + schema + ",\"payload\":";
    tail_value_ = "}";
  }
}

void EventWriter::key(std::string& out, const Row& row) const {
  out.append(key_head_);
  key_payload(out, row);
  out.append(tail_key_);
}

void EventWriter::key_payload(std::string& out, const Row& row) const {
  char before = '{';
  for (auto column : table_->key) {
    out.push_back(before);
    field(out, column, value_at(row, column));
    before = ',';
  }
  out.push_back('}');
}

void EventWriter::envelope(std::string& out, const Row* before, const Row* after, const Origin& origin) const {
  out.append(value_head_);
  out.append("{\"before\":");
  if (before) row(out, *before); else out.append("null");
  out.append(",\"after\":");
  if (after) row(out, *after); else out.append("null");
  out.append(",\"source\":");
  source(out, origin);
  out.append(",\"transaction\":");
  append_transaction(out, origin.transaction);
  out.append(",\"op\":\"");
  out.push_back(origin.op);
  out.push_back('"');
  append_times(out, origin.now_ms);
  out.push_back('}');
  out.append(tail_value_);
}

void EventWriter::unwrapped(std::string& out, const Row& values, bool deleted, const Origin& origin) const {
  out.append(value_head_);
  row(out, values);
  out.pop_back();  // the row's closing brace: more fields may follow
  added_fields(out, deleted, origin);
  out.push_back('}');
  out.append(tail_value_);
}

void EventWriter::row(std::string& out, const Row& values) const {
  char separator = '{';
  for (std::size_t i = 0; i < prepared_.size(); ++i) {
    out.push_back(separator);
    field(out, i, value_at(values, i));
    separator = ',';
  }
  if (prepared_.empty()) out.push_back('{');
  out.push_back('}');
}

void EventWriter::field(std::string& out, std::size_t column, const FieldValue& value) const {
  auto& prepared = prepared_[column];
  out.append(prepared.name);
  if (value.presence == Presence::text) [[likely]] {
    if (append_value(out, table_->columns[column].type, value.text)) [[likely]] return;
    ++unrepresentable_;
    unrepresentable_column_ = table_->columns[column].name;
    out.append("null");  // even where the schema has none: anything else would be a value that nobody wrote
    return;
  }
  out.append(value.presence == Presence::unchanged ? prepared.if_unchanged : prepared.if_null);
}

void EventWriter::source(std::string& out, const Origin& origin) const {
  out.append(source_head_);
  append_json_number(out, origin.source_us / 1000);
  out.append(",\"snapshot\":\"");
  out.append(origin.snapshot);
  out.push_back('"');
  out.append(source_db_);
  append_sequence(out, origin);
  out.append(",\"ts_us\":");
  append_json_number(out, origin.source_us);
  out.append(",\"ts_ns\":");
  append_json_number(out, origin.source_us * 1000);
  out.append(source_table_);
  if (origin.xid) append_json_number(out, *origin.xid); else out.append("null");
  out.append(",\"lsn\":");
  append_json_number(out, static_cast<std::int64_t>(origin.lsn.value));
  out.append(",\"xmin\":null}");
}

void EventWriter::added_fields(std::string& out, bool deleted, const Origin& origin) const {
  auto& unwrap = *format_->unwrap;
  for (auto& added : unwrap.added) {
    out.push_back(',');
    append_json_string(out, added.name);
    out.push_back(':');
    added_field(out, added, origin);
  }
  if (rewrites(unwrap.on_delete)) out.append(deleted ? ",\"__deleted\":\"true\"" : ",\"__deleted\":\"false\"");
}

void EventWriter::added_field(std::string& out, const AddedField& added, const Origin& origin) const {
  auto us = added.struct_name == "source" ? origin.source_us : origin.now_ms * 1000;
  auto& f = added.field;
  if (f == "op") append_json_string(out, {&origin.op, 1});
  else if (f == "ts_ms") append_json_number(out, us / 1000);
  else if (f == "ts_us") append_json_number(out, us);
  else if (f == "ts_ns") append_json_number(out, us * 1000);
  else if (f == "table") append_json_string(out, table_->name);
  else if (f == "schema") append_json_string(out, table_->schema);
  else if (f == "db") append_json_string(out, format_->database);
  else if (f == "name") append_json_string(out, format_->prefix);
  else if (f == "connector") out.append("\"postgresql\"");
  else if (f == "version") append_json_string(out, source_version);
  else if (f == "snapshot") append_json_string(out, origin.snapshot);
  else if (f == "sequence") append_sequence(out, origin);
  else if (f == "lsn") append_json_number(out, static_cast<std::int64_t>(origin.lsn.value));
  else if (f == "txId" && origin.xid) append_json_number(out, *origin.xid);
  else if (f == "id" && origin.transaction) append_json_string(out, origin.transaction->id);
  else if (f == "total_order" && origin.transaction) append_json_number(out, origin.transaction->total_order);
  else if (f == "data_collection_order" && origin.transaction) append_json_number(out, origin.transaction->table_order);
  else out.append("null");
}

}  // namespace tidemill::connect::postgres
