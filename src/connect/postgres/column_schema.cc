// The schemas of columns: what field_schema() of column_type.h writes.
#include <fmt/format.h>

#include "connect/json_text.h"
#include "connect/postgres/column_type.h"

namespace tidemill::connect::postgres {
namespace {

struct Named {
  std::string_view type;  // of Kafka Connect
  std::string_view name;  // the semantic type; empty for the plain ones
};

Named named(Kind kind) {
  switch (kind) {
    case Kind::boolean: return {"boolean", ""};
    case Kind::int16: return {"int16", ""};
    case Kind::int32: return {"int32", ""};
    case Kind::int64: return {"int64", ""};
    case Kind::float32: return {"float", ""};
    case Kind::float64: case Kind::decimal_double: return {"double", ""};
    case Kind::decimal: case Kind::money: return {"bytes", "org.apache.kafka.connect.data.Decimal"};
    case Kind::variable_decimal: return {"struct", "io.debezium.data.VariableScaleDecimal"};
    case Kind::text: case Kind::decimal_text: return {"string", ""};
    case Kind::bytes: return {"bytes", ""};
    case Kind::uuid: return {"string", "io.debezium.data.Uuid"};
    case Kind::json: return {"string", "io.debezium.data.Json"};
    case Kind::xml: return {"string", "io.debezium.data.Xml"};
    case Kind::tsvector: return {"string", "io.debezium.data.Tsvector"};
    case Kind::ltree: return {"string", "io.debezium.data.Ltree"};
    case Kind::enumeration: return {"string", "io.debezium.data.Enum"};
    case Kind::bits: return {"bytes", "io.debezium.data.Bits"};
    case Kind::date: return {"int32", "io.debezium.time.Date"};
    case Kind::time_ms: return {"int32", "io.debezium.time.Time"};
    case Kind::time_us: return {"int64", "io.debezium.time.MicroTime"};
    case Kind::timestamp_ms: return {"int64", "io.debezium.time.Timestamp"};
    case Kind::timestamp_us: return {"int64", "io.debezium.time.MicroTimestamp"};
    case Kind::zoned_timestamp: return {"string", "io.debezium.time.ZonedTimestamp"};
    case Kind::zoned_time: return {"string", "io.debezium.time.ZonedTime"};
    case Kind::interval_us: return {"int64", "io.debezium.time.MicroDuration"};
    case Kind::interval_text: return {"string", "io.debezium.time.Interval"};
    case Kind::connect_date: return {"int32", "org.apache.kafka.connect.data.Date"};
    case Kind::connect_time: return {"int32", "org.apache.kafka.connect.data.Time"};
    case Kind::connect_timestamp: return {"int64", "org.apache.kafka.connect.data.Timestamp"};
    case Kind::array: return {"array", ""};
  }
  return {"string", ""};
}

// What stands between the type and `optional`.
std::string inner(const ColumnType& type) {
  if (type.kind == Kind::array) return ",\"items\":" + field_schema(*type.element, true, {});
  if (type.kind == Kind::variable_decimal)
    return R"(,"fields":[{"type":"int32","optional":false,"field":"scale"},{"type":"bytes","optional":false,"field":"value"}])";
  return {};
}

// What stands behind name and version.
std::string parameters(const ColumnType& type) {
  switch (type.kind) {
    case Kind::variable_decimal: return R"(,"doc":"Variable scaled decimal")";
    case Kind::decimal: return fmt::format(R"(,"parameters":{{"scale":"{}","connect.decimal.precision":"{}"}})", type.scale, type.digits);
    case Kind::money: return R"(,"parameters":{"scale":"2"})";
    case Kind::bits: return fmt::format(R"(,"parameters":{{"length":"{}"}})", type.digits);
    case Kind::enumeration: return R"(,"parameters":{"allowed":)" + json_string(type.labels) + "}";
    default: return {};
  }
}

}  // namespace

std::string field_schema(const ColumnType& type, bool optional, std::string_view field) {
  auto [connect_type, name] = named(type.kind);
  auto out = fmt::format(R"({{"type":"{}"{},"optional":{})", connect_type, inner(type), optional);
  if (!name.empty()) out += fmt::format(R"(,"name":"{}","version":1)", name);
  out += parameters(type);
  if (!field.empty()) out += ",\"field\":" + json_string(field);
  out += "}";
  return out;
}

}  // namespace tidemill::connect::postgres
