#include "connect/postgres/event_schema.h"

#include <fmt/format.h>

#include "connect/json_text.h"

namespace tidemill::connect::postgres {
namespace {

constexpr std::string_view source_schema =
    R"({"type":"struct","fields":[{"type":"string","optional":false,"field":"version"},)"
    R"({"type":"string","optional":false,"field":"connector"},{"type":"string","optional":false,"field":"name"},)"
    R"({"type":"int64","optional":false,"field":"ts_ms"},{"type":"string","optional":true,"name":"io.debezium.data.Enum","version":1,)"
    R"("parameters":{"allowed":"true,first,first_in_data_collection,last_in_data_collection,last,false,incremental"},"default":"false","field":"snapshot"},)"
    R"({"type":"string","optional":false,"field":"db"},{"type":"string","optional":true,"field":"sequence"},)"
    R"({"type":"int64","optional":true,"field":"ts_us"},{"type":"int64","optional":true,"field":"ts_ns"},)"
    R"({"type":"string","optional":false,"field":"schema"},{"type":"string","optional":false,"field":"table"},)"
    R"({"type":"int64","optional":true,"field":"txId"},{"type":"int64","optional":true,"field":"lsn"},)"
    R"({"type":"int64","optional":true,"field":"xmin"}],"optional":false,"name":"io.debezium.connector.postgresql.Source","version":1,"field":"source"})";

constexpr std::string_view rest_of_envelope =
    R"({"type":"struct","fields":[{"type":"string","optional":false,"field":"id"},{"type":"int64","optional":false,"field":"total_order"},)"
    R"({"type":"int64","optional":false,"field":"data_collection_order"}],"optional":true,"name":"event.block","version":1,"field":"transaction"},)"
    R"({"type":"string","optional":false,"field":"op"},{"type":"int64","optional":true,"field":"ts_ms"},)"
    R"({"type":"int64","optional":true,"field":"ts_us"},{"type":"int64","optional":true,"field":"ts_ns"}],"optional":false,"name":)";

std::string schema_name(const Table& table, const EventFormat& format, std::string_view part) {
  return json_string(fmt::format("{}.{}.{}.{}", format.prefix, table.schema, table.name, part));
}

std::string column_fields(const Table& table) {
  std::string out;
  for (auto& column : table.columns) {
    if (!out.empty()) out += ',';
    out += field_schema(column.type, column.optional, column.name);
  }
  return out;
}

std::string row_schema(const Table& table, const EventFormat& format, std::string_view field) {
  return fmt::format(R"({{"type":"struct","fields":[{}],"optional":true,"name":{},"field":"{}"}})", column_fields(table),
                     schema_name(table, format, "Value"), field);
}

struct Added {
  std::string_view struct_name, field, type;
};
constexpr Added addable[] = {
    {"", "op", "string"}, {"", "ts_ms", "int64"}, {"", "ts_us", "int64"}, {"", "ts_ns", "int64"},
    {"source", "version", "string"}, {"source", "connector", "string"}, {"source", "name", "string"}, {"source", "ts_ms", "int64"},
    {"source", "ts_us", "int64"}, {"source", "ts_ns", "int64"}, {"source", "snapshot", "string"}, {"source", "db", "string"},
    {"source", "sequence", "string"}, {"source", "schema", "string"}, {"source", "table", "string"}, {"source", "txId", "int64"},
    {"source", "lsn", "int64"}, {"transaction", "id", "string"}, {"transaction", "total_order", "int64"},
    {"transaction", "data_collection_order", "int64"}};

}  // namespace

std::string key_schema(const Table& table, const EventFormat& format) {
  std::string fields;
  for (auto column : table.key) {
    if (!fields.empty()) fields += ',';
    fields += field_schema(table.columns[column].type, false, table.columns[column].name);
  }
  return fmt::format(R"({{"type":"struct","fields":[{}],"optional":false,"name":{}}})", fields, schema_name(table, format, "Key"));
}

std::string envelope_schema(const Table& table, const EventFormat& format) {
  return fmt::format(R"({{"type":"struct","fields":[{},{},{},{}{},"version":2}})", row_schema(table, format, "before"),
                     row_schema(table, format, "after"), source_schema, rest_of_envelope, schema_name(table, format, "Envelope"));
}

std::string unwrapped_schema(const Table& table, const EventFormat& format) {
  auto fields = column_fields(table);
  bool more = false;
  auto add = [&](std::string_view type, std::string_view name) {
    fields += fmt::format(R"(,{{"type":"{}","optional":true,"field":{}}})", type, json_string(name));
    more = true;
  };
  for (auto& added : format.unwrap->added) add(added_field_type(added.struct_name, added.field), added.name);
  if (rewrites(format.unwrap->on_delete)) add("string", "__deleted");
  return fmt::format(R"({{"type":"struct","fields":[{}],"optional":{},"name":{}}})", fields, !more, schema_name(table, format, "Value"));
}

std::string_view added_field_type(std::string_view struct_name, std::string_view field) {
  for (auto& one : addable)
    if (one.struct_name == struct_name && one.field == field) return one.type;
  return {};
}

std::string topic_name(std::string_view prefix, std::string_view schema, std::string_view table) {
  auto name = fmt::format("{}.{}.{}", prefix, schema, table);
  for (char& c : name)
    if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '.' && c != '_' && c != '-') c = '_';
  return name;
}

}  // namespace tidemill::connect::postgres
