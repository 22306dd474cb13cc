// SQL's types and single values, as ksqlDB has them. A Type is small and copied freely; nested parts are shared and immutable.
//
//   INTEGER 32 bit, BIGINT 64 bit, DOUBLE, DECIMAL(p, s) with p <= 38, STRING (UTF-8), BYTES, BOOLEAN,
//   DATE (days since 1970), TIME (ms of the day), TIMESTAMP (ms since 1970, no zone), ARRAY<T>, MAP<STRING, T>, STRUCT<...>
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tidemill::record {

enum class Kind : std::uint8_t { boolean, integer, bigint, double_, decimal, string, bytes, date, time, timestamp, array, map, struct_ };

class Type;
struct Field;

class Type {
 public:
  Type() = default;
  /*implicit*/ Type(Kind kind) : kind_(kind) {}
  static Type decimal(int precision, int scale) { Type t(Kind::decimal); t.precision_ = precision; t.scale_ = scale; return t; }
  static Type array(Type element);
  static Type map(Type value);  // keys are STRING
  static Type structure(std::vector<Field> fields);

  Kind kind() const { return kind_; }
  int precision() const { return precision_; }
  int scale() const { return scale_; }
  const Type& element() const;                // of ARRAY, and the value type of MAP
  const std::vector<Field>& fields() const;   // of STRUCT
  int field_index(std::string_view name) const;  // exact; -1 when there is none
  bool numeric() const { return kind_ == Kind::integer || kind_ == Kind::bigint || kind_ == Kind::double_ || kind_ == Kind::decimal; }
  bool nested() const { return kind_ >= Kind::array; }

  // As ksqlDB prints it: INTEGER, DECIMAL(10, 2), ARRAY<STRING>, STRUCT<`ID` INTEGER, ...>
  std::string text() const;
  friend bool operator==(const Type& a, const Type& b);

 private:
  Kind kind_ = Kind::string;
  int precision_ = 0, scale_ = 0;
  std::shared_ptr<const std::vector<Field>> parts_;  // one unnamed field for ARRAY and MAP
};

struct Field {
  std::string name;
  Type type;
  friend bool operator==(const Field&, const Field&) = default;
};

// One value. monostate is NULL. INTEGER, BIGINT, DATE, TIME, TIMESTAMP are int64_t; STRING and BYTES are std::string;
// DECIMAL is unscaled digits (the scale is the type's); ARRAY and STRUCT are vectors in order; MAP is a vector of pairs.
struct Value;
struct Decimal {
  __int128 unscaled = 0;
  friend bool operator==(const Decimal&, const Decimal&) = default;
};
using ValueList = std::vector<Value>;
struct ValueMap {
  std::vector<std::pair<std::string, Value>> entries;
};
struct Value {
  std::variant<std::monostate, bool, std::int64_t, double, Decimal, std::string, std::shared_ptr<const ValueList>, std::shared_ptr<const ValueMap>> data;
  Value() = default;
  template <class T>
    requires(!std::is_same_v<std::remove_cvref_t<T>, Value>)
  /*implicit*/ Value(T&& v) : data(std::forward<T>(v)) {}
  bool null() const { return data.index() == 0; }
};
bool operator==(const Value& a, const Value& b);  // NULL equals NULL; doubles bitwise-equal NaN is equal

using Row = std::vector<Value>;

// Decimal digits <-> text: "-12.30" with scale 2.
std::string decimal_text(Decimal d, int scale);

}  // namespace tidemill::record
