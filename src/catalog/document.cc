// The catalogue's records as JSON documents. A reader ignores members it does not know and refuses a higher "v".
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "catalog/state.h"

namespace tidemill::catalog {
namespace {

using Json = nlohmann::json;
using record::Kind;
using record::Type;

constexpr int version = 1;
constexpr const char* kind_names[] = {"BOOLEAN", "INTEGER", "BIGINT", "DOUBLE", "DECIMAL", "STRING", "BYTES",
                                      "DATE",    "TIME",    "TIMESTAMP", "ARRAY", "MAP",     "STRUCT"};
constexpr const char* thing_names[] = {"topic", "source", "query", "connector"};
constexpr const char* format_names[] = {"NONE", "KAFKA", "JSON", "DEBEZIUM_JSON"};

template <std::size_t N>
std::size_t index_of(const char* const (&names)[N], const std::string& name) {
  for (std::size_t i = 0; i < N; ++i)
    if (name == names[i]) return i;
  throw std::out_of_range("unknown word " + name);
}

Json write_type(const Type& type) {
  Json j{{"kind", kind_names[static_cast<std::size_t>(type.kind())]}};
  if (type.kind() == Kind::decimal) {
    j["precision"] = type.precision();
    j["scale"] = type.scale();
  } else if (type.kind() == Kind::struct_) {
    for (auto& f : type.fields()) j["fields"].push_back({{"name", f.name}, {"type", write_type(f.type)}});
  } else if (type.nested()) {
    j["element"] = write_type(type.element());
  }
  return j;
}

Type read_type(const Json& j, int depth = 0) {
  if (depth > 64) throw std::length_error("type nests too deeply");
  auto kind = static_cast<Kind>(index_of(kind_names, j.at("kind")));
  if (kind == Kind::decimal) return Type::decimal(j.at("precision"), j.at("scale"));
  if (kind == Kind::array) return Type::array(read_type(j.at("element"), depth + 1));
  if (kind == Kind::map) return Type::map(read_type(j.at("element"), depth + 1));
  if (kind != Kind::struct_) return Type(kind);
  std::vector<record::Field> fields;
  if (j.contains("fields"))
    for (auto& f : j.at("fields")) fields.push_back({f.at("name"), read_type(f.at("type"), depth + 1)});
  return Type::structure(std::move(fields));
}

std::string write_uuid(const Uuid& uuid) {
  std::string out;
  for (auto b : uuid) out += fmt::format("{:02x}", b);
  return out;
}
Uuid read_uuid(const std::string& hex) {
  Uuid uuid{};
  if (hex.size() != 32) throw std::out_of_range("uuid");
  for (std::size_t i = 0; i < 16; ++i) uuid[i] = static_cast<std::uint8_t>(std::stoi(hex.substr(i * 2, 2), nullptr, 16));
  return uuid;
}

Json write(const Topic& t) {
  return {{"tenant", t.tenant.value}, {"name", t.name}, {"uuid", write_uuid(t.uuid)}, {"first_stream", t.first_stream.value},
          {"partitions", t.partitions}, {"configs", t.configs}, {"internal", t.internal}, {"created_ms", t.created_ms}};
}
Topic read_topic(const Json& j) {
  return {.tenant = TenantId(j.at("tenant")), .name = j.at("name"), .uuid = read_uuid(j.at("uuid")), .first_stream = StreamId(j.at("first_stream")),
          .partitions = j.at("partitions"), .configs = j.at("configs"), .internal = j.at("internal"), .created_ms = j.at("created_ms")};
}

Json write(const Source& s) {
  auto& d = s.definition;
  Json columns = Json::array();
  for (auto& c : d.columns)
    columns.push_back({{"name", c.name}, {"type", write_type(c.type)}, {"key", c.role == sql::ColumnRole::key}});
  Json j{{"tenant", s.tenant.value}, {"name", d.name}, {"table", d.kind == sql::SourceKind::table}, {"columns", columns}, {"topic", d.topic},
         {"key_format", format_names[static_cast<int>(d.key_format)]}, {"value_format", format_names[static_cast<int>(d.value_format)]},
         {"wrap_single_value", d.wrap_single_value}, {"statement", d.statement}, {"written_by", d.written_by}};
  if (d.timestamp_column) j["timestamp_column"] = *d.timestamp_column;
  if (d.window) j["window_size_ms"] = d.window->size_ms;
  return j;
}
Source read_source(const Json& j) {
  sql::Source d;
  d.name = j.at("name");
  d.kind = j.at("table").get<bool>() ? sql::SourceKind::table : sql::SourceKind::stream;
  for (auto& c : j.at("columns"))
    d.columns.push_back({c.at("name"), read_type(c.at("type")), c.at("key").get<bool>() ? sql::ColumnRole::key : sql::ColumnRole::value});
  d.topic = j.at("topic");
  d.key_format = static_cast<sql::Format>(index_of(format_names, j.at("key_format")));
  d.value_format = static_cast<sql::Format>(index_of(format_names, j.at("value_format")));
  d.wrap_single_value = j.at("wrap_single_value");
  d.statement = j.at("statement");
  d.written_by = j.at("written_by");
  if (j.contains("timestamp_column")) d.timestamp_column = j.at("timestamp_column");
  if (j.contains("window_size_ms")) d.window = sql::Window{j.at("window_size_ms")};
  return {TenantId(j.at("tenant")), std::move(d)};
}

Json write(const Query& q) {
  return {{"tenant", q.tenant.value}, {"name", q.id}, {"statement", q.statement}, {"sink", q.sink}, {"sources", q.sources},
          {"positions", q.positions.value}, {"from_earliest", q.from_earliest}, {"properties", q.properties}, {"created_ms", q.created_ms}};
}
Query read_query(const Json& j) {
  return {.tenant = TenantId(j.at("tenant")), .id = j.at("name"), .statement = j.at("statement"), .sink = j.at("sink"), .sources = j.at("sources"),
          .positions = StreamId(j.at("positions")), .from_earliest = j.at("from_earliest"), .properties = j.at("properties"), .created_ms = j.at("created_ms")};
}

Json write(const Connector& c) {
  return {{"tenant", c.tenant.value}, {"name", c.name}, {"config", c.config}, {"positions", c.positions.value}, {"created_ms", c.created_ms}};
}
Connector read_connector(const Json& j) {
  return {.tenant = TenantId(j.at("tenant")), .name = j.at("name"), .config = j.at("config"), .positions = StreamId(j.at("positions")), .created_ms = j.at("created_ms")};
}

Record read_record(const Json& j) {
  if (j.at("v").get<int>() > version) throw std::domain_error("written by a newer tidemill");
  if (j.contains("drop")) return Drop{static_cast<Thing>(index_of(thing_names, j.at("drop"))), TenantId(j.at("tenant")), j.at("name")};
  switch (static_cast<Thing>(index_of(thing_names, j.at("put")))) {
    case Thing::topic: return read_topic(j);
    case Thing::source: return read_source(j);
    case Thing::query: return read_query(j);
    case Thing::connector: return read_connector(j);
  }
  throw std::out_of_range("put");
}

}  // namespace

std::string write_document(const Record& record) {
  Json j;
  if (auto* d = std::get_if<Drop>(&record)) {
    j = {{"drop", thing_names[static_cast<int>(d->thing)]}, {"tenant", d->tenant.value}, {"name", d->name}};
  } else {
    std::visit([&](auto& thing) {
      if constexpr (!std::is_same_v<std::decay_t<decltype(thing)>, Drop>) j = write(thing);
    }, record);
    j["put"] = thing_names[record.index()];
  }
  j["v"] = version;
  return j.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Record> read_document(std::string_view text) {
  try {
    return read_record(Json::parse(text));
  } catch (const std::exception& e) {
    return fail(Code::corrupt, fmt::format("catalogue document cannot be read: {}", e.what()));
  }
}

}  // namespace tidemill::catalog
