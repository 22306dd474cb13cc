// What a PostgreSQL type becomes in a change event: Debezium's semantic types, chosen once per column, and how a value of each is
// written as JSON from the text the server sends. Pure functions; docs/connect-postgresql.md has the table of types.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tidemill::connect::postgres {

enum class DecimalMode : std::uint8_t { precise, as_double, as_string };
enum class TimeMode : std::uint8_t { adaptive, adaptive_time_microseconds, connect };
enum class IntervalMode : std::uint8_t { numeric, as_string };
struct TypeModes {
  DecimalMode decimal = DecimalMode::precise;
  TimeMode time = TimeMode::adaptive;
  IntervalMode interval = IntervalMode::numeric;
};

// A row of pg_type, domains already resolved to what they stand for.
struct PgType {
  std::uint32_t oid = 0;
  std::string name;
  char kind = 'b';                   // pg_type.typtype: b base, e enum, r range, c composite
  std::string labels;                // of an enum, in their order, joined by commas
  std::uint32_t element = 0;         // of an array
  std::int32_t modifier = -1;        // a domain's own; -1: the column's counts
};

enum class Kind : std::uint8_t {
  boolean, int16, int32, int64, float32, float64,
  decimal, variable_decimal, decimal_double, decimal_text, money,
  text, bytes, uuid, json, xml, tsvector, ltree, enumeration, bits,
  date, time_ms, time_us, timestamp_ms, timestamp_us, zoned_timestamp, zoned_time, interval_us, interval_text,
  connect_date, connect_time, connect_timestamp,
  array,
};

struct ColumnType {
  Kind kind = Kind::text;
  int digits = 0;      // decimal: precision; zoned_timestamp: digits of the fraction; bits: their number
  int scale = 0;       // decimal
  std::string labels;  // enumeration: joined by commas
  std::shared_ptr<const ColumnType> element;  // array
  bool known = true;   // false: a type we have no mapping for, carried as its text
};

// `element` is the type of an array's elements, null for everything else.
ColumnType choose_type(const PgType& type, std::int32_t modifier, const PgType* element, const TypeModes& modes);

// The field's Kafka Connect schema as JSON; without a name when `field` is empty.
std::string field_schema(const ColumnType& type, bool optional, std::string_view field);

// False, with nothing written, when the value has no form in this type (NaN as an exact decimal) or is not of it.
bool append_value(std::string& out, const ColumnType& type, std::string_view text);

// What stands in a column that allows no null where the server sent none, as in the `before` of a deleted row of which only the
// key is known.
std::string fallback_value(const ColumnType& type);

// What stands for a value stored out of line that the server did not send.
std::string placeholder_value(const ColumnType& type, std::string_view placeholder);

}  // namespace tidemill::connect::postgres
