#include "sql/properties.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "sql/bind_expression.h"
#include "sql/sql.h"

namespace tidemill::sql {

using record::Kind;

namespace {

const std::set<std::string_view> served = {"KAFKA_TOPIC", "PARTITIONS", "REPLICAS", "RETENTION_MS", "CLEANUP_POLICY", "FORMAT", "KEY_FORMAT", "VALUE_FORMAT",
                                           "WRAP_SINGLE_VALUE", "TIMESTAMP", "WINDOW_TYPE", "WINDOW_SIZE", "SOURCED_BY_CONNECTOR", "SOURCE_CONNECTOR"};
const std::set<std::string_view> later = {"KEY_DELIMITER", "VALUE_DELIMITER", "KEY_SCHEMA_ID", "VALUE_SCHEMA_ID", "KEY_SCHEMA_FULL_NAME", "VALUE_SCHEMA_FULL_NAME",
                                          "VALUE_AVRO_SCHEMA_FULL_NAME", "TIMESTAMP_FORMAT", "KEY_PROTOBUF_NULLABLE_REPRESENTATION",
                                          "VALUE_PROTOBUF_NULLABLE_REPRESENTATION", "QUERY_ID"};
const std::set<std::string_view> later_formats = {"DELIMITED", "JSON_SR", "AVRO", "PROTOBUF", "PROTOBUF_NOSR"};
const std::set<std::string_view> declared_only = {"WINDOW_TYPE", "WINDOW_SIZE", "SOURCED_BY_CONNECTOR", "SOURCE_CONNECTOR"};

std::string upper(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return out;
}

bool has_map(const record::Type& type) {
  if (type.kind() == Kind::map) return true;
  if (type.kind() == Kind::array) return has_map(type.element());
  if (type.kind() != Kind::struct_) return false;
  return std::any_of(type.fields().begin(), type.fields().end(), [](auto& f) { return has_map(f.type); });
}

std::string type_name(const record::Type& type) {
  auto text = type.text();
  return text.substr(0, text.find_first_of("<("));
}

bool kafka_takes(Kind kind) { return kind == Kind::integer || kind == Kind::bigint || kind == Kind::double_ || kind == Kind::string || kind == Kind::bytes; }

std::string part_text(const std::vector<const Column*>& columns) {
  std::vector<SchemaColumn> list;
  for (auto* c : columns) list.push_back({c->name, &c->type, c->role == ColumnRole::key});
  return "[" + schema_text(list) + "]";
}

void check_kafka(std::string_view part, const std::vector<const Column*>& columns, const Properties& properties) {
  auto property = fmt::format("{}_FORMAT", upper(part));
  std::string reason;
  if (columns.size() > 1) reason = fmt::format("The 'KAFKA' format only supports a single field. Got: {}", part_text(columns));
  for (auto* c : columns) {
    if (reason.empty() && !kafka_takes(c->type.kind())) reason = fmt::format("The 'KAFKA' format does not support type '{}', column: `{}`", type_name(c->type), c->name);
  }
  if (reason.empty()) return;
  properties.refuse(property, fmt::format("{} format does not support schema.\nformat: KAFKA\nschema: Persistence{{columns={}, features=[]}}\nreason: {}", part, part_text(columns), reason),
                    fmt::format("use {}='JSON'", property));
}

}  // namespace

Properties::Properties(const std::vector<Property>& list, bool create_as) : list_(list) {
  for (auto& p : list) {
    if (later.contains(p.name)) throw Refusal{fail(Code::unsupported, located(p.at, fmt::format("The property {} is not supported yet", p.name)))};
    if (!served.contains(p.name) || (create_as && declared_only.contains(p.name))) {
      throw Refusal{fail(Code::invalid, located(p.at, fmt::format("Invalid config variable(s) in the WITH clause: {}", p.name)), "the properties are KAFKA_TOPIC, PARTITIONS, REPLICAS, RETENTION_MS, CLEANUP_POLICY, FORMAT, KEY_FORMAT, VALUE_FORMAT, WRAP_SINGLE_VALUE, TIMESTAMP")};
    }
  }
  for (auto other : {"KEY_FORMAT", "VALUE_FORMAT"}) {
    if (find("FORMAT") && find(other)) {
      refuse("FORMAT", fmt::format("Cannot supply both '{}' and 'FORMAT' properties, as 'FORMAT' sets both key and value formats. Either use just 'FORMAT', or use 'KEY_FORMAT' and 'VALUE_FORMAT'.", other));
    }
  }
}

const Property* Properties::find(std::string_view name) const {
  auto found = std::find_if(list_.begin(), list_.end(), [&](const Property& p) { return p.name == name; });
  return found == list_.end() ? nullptr : &*found;
}

void Properties::refuse(std::string_view name, std::string message, std::string hint) const {
  auto* property = find(name);
  throw Refusal{fail(Code::invalid, property ? located(property->at, message) : message, std::move(hint))};
}

std::optional<std::string> Properties::text(std::string_view name) const {
  auto* property = find(name);
  if (!property) return std::nullopt;
  if (auto* value = std::get_if<std::string>(&property->value.data)) return *value;
  refuse(name, fmt::format("Invalid value for {}: it must be a text", name), "write it in single quotes");
}

std::optional<std::int64_t> Properties::number(std::string_view name) const {
  auto* property = find(name);
  if (!property) return std::nullopt;
  if (auto* value = std::get_if<std::int64_t>(&property->value.data)) return *value;
  if (auto* digits = std::get_if<std::string>(&property->value.data); digits && !digits->empty() && digits->size() < 18 && digits->find_first_not_of("0123456789") == std::string::npos) return std::stoll(*digits);
  refuse(name, fmt::format("Invalid value for {}: it must be a number", name), "write it in digits");
}

std::optional<bool> Properties::flag(std::string_view name) const {
  auto* property = find(name);
  if (!property) return std::nullopt;
  if (auto* value = std::get_if<bool>(&property->value.data)) return *value;
  if (auto* word = std::get_if<std::string>(&property->value.data); word && (upper(*word) == "TRUE" || upper(*word) == "FALSE")) return upper(*word) == "TRUE";
  refuse(name, fmt::format("Invalid value for {}: it must be true or false", name), "write true or false");
}

std::optional<Format> Properties::format(std::string_view name) const {
  auto* property = find(name);
  if (!property) property = find("FORMAT");
  if (!property) return std::nullopt;
  auto given = upper(*text(property->name));
  for (auto format : {Format::none, Format::kafka, Format::json, Format::debezium_json}) {
    if (given == format_name(format)) return format;
  }
  if (later_formats.contains(given)) throw Refusal{fail(Code::unsupported, located(property->at, fmt::format("The format {} is not supported yet", given)), "KAFKA, JSON, DEBEZIUM_JSON and NONE are")};
  refuse(property->name, fmt::format("Unknown format: {}", given), "the formats are KAFKA, JSON, DEBEZIUM_JSON and NONE");
}

std::optional<std::int32_t> Properties::partitions() const {
  auto count = number("PARTITIONS");
  if (!count) return std::nullopt;
  if (*count < 1 || *count > 100'000) refuse("PARTITIONS", fmt::format("Invalid value for PARTITIONS: {}", *count), "use 1 or more");
  return static_cast<std::int32_t>(*count);
}

void check_formats(const Source& source, const Properties& properties) {
  std::vector<const Column*> keys, values;
  for (auto& c : source.columns) (c.role == ColumnRole::key ? keys : values).push_back(&c);
  if (source.value_format == Format::none) properties.refuse("VALUE_FORMAT", "The 'NONE' format can not be used for values.", "use VALUE_FORMAT='JSON'");
  if (source.key_format == Format::none && !keys.empty()) {
    properties.refuse("KEY_FORMAT", fmt::format("The 'NONE' format can only be used when no columns are defined. Got: {}", part_text(keys)), "use KEY_FORMAT='KAFKA' or leave the KEY columns out");
  }
  if (source.key_format == Format::debezium_json) properties.refuse("KEY_FORMAT", "The 'DEBEZIUM_JSON' format is for values only.", "use KEY_FORMAT='JSON'");
  for (auto* c : keys) {
    if (has_map(c->type)) properties.refuse("KEY_FORMAT", fmt::format("Map keys, including types that contain maps, are not supported as they may lead to unexpected behavior due to inconsistent serialization. Key column name: `{}`. Column type: {}.", c->name, c->type.text()), "use a column of another type as the key");
  }
  if (source.key_format == Format::kafka) check_kafka("Key", keys, properties);
  if (source.value_format == Format::kafka) check_kafka("Value", values, properties);
  auto wrap = properties.flag("WRAP_SINGLE_VALUE");
  if (!wrap) return;
  if (source.value_format != Format::json) properties.refuse("WRAP_SINGLE_VALUE", fmt::format("Format '{}' does not support 'WRAP_SINGLE_VALUE' set to '{}'.", format_name(source.value_format), *wrap), "leave it out");
  if (values.size() != 1) properties.refuse("WRAP_SINGLE_VALUE", "'WRAP_SINGLE_VALUE' is only valid for single-field value schemas", "leave it out");
}

void apply_timestamp(Source& source, const Properties& properties) {
  auto given = properties.text("TIMESTAMP");
  if (!given) return;
  auto name = given->size() > 2 && given->front() == '`' && given->back() == '`' ? given->substr(1, given->size() - 2) : upper(*given);
  auto found = std::find_if(source.columns.begin(), source.columns.end(), [&](const Column& c) { return c.name == name; });
  if (found == source.columns.end()) properties.refuse("TIMESTAMP", fmt::format("The TIMESTAMP column set in the WITH clause does not exist in the schema: '{}'", name), "name one of its columns");
  if (found->type.kind() != Kind::bigint && found->type.kind() != Kind::timestamp) {
    properties.refuse("TIMESTAMP", fmt::format("Timestamp column, `{}`, should be LONG(INT64), TIMESTAMP, or a String with a timestamp format specified.", name), "use a BIGINT (ms since 1970) or TIMESTAMP column");
  }
  source.timestamp_column = name;
}

}  // namespace tidemill::sql
