#include "connect/postgres/column_type.h"

#include <fmt/format.h>

#include "connect/json_text.h"

namespace tidemill::connect::postgres {
namespace {

// Object ids that PostgreSQL has fixed for its built-in types.
enum Oid : std::uint32_t {
  oid_bool = 16, oid_bytea = 17, oid_char = 18, oid_name = 19, oid_int8 = 20, oid_int2 = 21, oid_int4 = 23, oid_text = 25, oid_oid = 26,
  oid_json = 114, oid_xml = 142, oid_cidr = 650, oid_float4 = 700, oid_float8 = 701, oid_macaddr8 = 774, oid_money = 790,
  oid_macaddr = 829, oid_inet = 869, oid_bpchar = 1042, oid_varchar = 1043, oid_date = 1082, oid_time = 1083, oid_timestamp = 1114,
  oid_timestamptz = 1184, oid_interval = 1186, oid_timetz = 1266, oid_bit = 1560, oid_varbit = 1562, oid_numeric = 1700,
  oid_uuid = 2950, oid_tsvector = 3614, oid_jsonb = 3802,
};

ColumnType of(Kind kind) {
  ColumnType type;
  type.kind = kind;
  return type;
}

// numeric(p,s): p in the upper half of modifier - 4, s in its lower 11 bits, signed.
ColumnType numeric_type(std::int32_t modifier, DecimalMode mode) {
  if (mode == DecimalMode::as_double) return of(Kind::decimal_double);
  if (mode == DecimalMode::as_string) return of(Kind::decimal_text);
  if (modifier < 4) return of(Kind::variable_decimal);
  auto type = of(Kind::decimal);
  type.digits = (modifier - 4) >> 16 & 0xFFFF;
  type.scale = (((modifier - 4) & 0x7FF) ^ 1024) - 1024;
  return type;
}

ColumnType money_type(DecimalMode mode) {
  if (mode == DecimalMode::as_double) return of(Kind::decimal_double);
  if (mode == DecimalMode::as_string) return of(Kind::decimal_text);
  return of(Kind::money);
}

int fraction_digits(std::int32_t modifier) { return modifier < 0 || modifier > 6 ? 6 : modifier; }

ColumnType time_type(std::int32_t modifier, TimeMode mode) {
  if (mode == TimeMode::connect) return of(Kind::connect_time);
  return of(mode == TimeMode::adaptive && fraction_digits(modifier) <= 3 ? Kind::time_ms : Kind::time_us);
}

ColumnType timestamp_type(std::int32_t modifier, TimeMode mode) {
  if (mode == TimeMode::connect) return of(Kind::connect_timestamp);
  return of(fraction_digits(modifier) <= 3 ? Kind::timestamp_ms : Kind::timestamp_us);
}

ColumnType zoned_type(std::int32_t modifier) {
  auto type = of(Kind::zoned_timestamp);
  type.digits = fraction_digits(modifier);
  return type;
}

ColumnType bits_type(std::int32_t modifier) {
  if (modifier == 1) return of(Kind::boolean);
  auto type = of(Kind::bits);
  type.digits = modifier < 0 ? 2147483647 : modifier;
  return type;
}

ColumnType enum_type(const PgType& pg) {
  auto type = of(Kind::enumeration);
  type.labels = pg.labels;
  return type;
}

ColumnType named_type(const PgType& pg) {
  if (pg.kind == 'r' || pg.name == "citext" || pg.name == "isbn") return of(Kind::text);
  if (pg.name == "ltree") return of(Kind::ltree);
  auto type = of(Kind::text);
  type.known = false;
  return type;
}

ColumnType array_type(const PgType& element, std::int32_t modifier, const TypeModes& modes) {
  auto type = of(Kind::array);
  type.element = std::make_shared<ColumnType>(choose_type(element, modifier, nullptr, modes));
  type.known = type.element->known;
  return type;
}

}  // namespace

ColumnType choose_type(const PgType& pg, std::int32_t modifier, const PgType* element, const TypeModes& modes) {
  if (pg.modifier >= 0) modifier = pg.modifier;
  if (element != nullptr) return array_type(*element, modifier, modes);
  if (pg.kind == 'e') return enum_type(pg);
  switch (pg.oid) {
    case oid_bool: return of(Kind::boolean);
    case oid_int2: return of(Kind::int16);
    case oid_int4: return of(Kind::int32);
    case oid_int8: case oid_oid: return of(Kind::int64);
    case oid_float4: return of(Kind::float32);
    case oid_float8: return of(Kind::float64);
    case oid_numeric: return numeric_type(modifier, modes.decimal);
    case oid_money: return money_type(modes.decimal);
    case oid_text: case oid_varchar: case oid_bpchar: case oid_char: case oid_name: return of(Kind::text);
    case oid_inet: case oid_cidr: case oid_macaddr: case oid_macaddr8: return of(Kind::text);
    case oid_bytea: return of(Kind::bytes);
    case oid_uuid: return of(Kind::uuid);
    case oid_json: case oid_jsonb: return of(Kind::json);
    case oid_xml: return of(Kind::xml);
    case oid_tsvector: return of(Kind::tsvector);
    case oid_bit: case oid_varbit: return bits_type(modifier);
    case oid_date: return of(modes.time == TimeMode::connect ? Kind::connect_date : Kind::date);
    case oid_time: return time_type(modifier, modes.time);
    case oid_timetz: return of(Kind::zoned_time);
    case oid_timestamp: return timestamp_type(modifier, modes.time);
    case oid_timestamptz: return zoned_type(modifier);
    case oid_interval: return of(modes.interval == IntervalMode::numeric ? Kind::interval_us : Kind::interval_text);
    default: return named_type(pg);
  }
}

}  // namespace tidemill::connect::postgres
