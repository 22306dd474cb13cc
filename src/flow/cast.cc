#include "flow/cast.h"

#include <cmath>

#include "flow/value_text.h"

namespace tidemill::flow {
namespace {

using record::Decimal;
using record::Kind;
using record::Type;
using record::Value;
using record::ValueList;
using record::ValueMap;

constexpr std::int64_t day_ms = 86'400'000;

Error refuse(const Value& value, const Type& from, const Type& to) {
  return fail(Code::invalid, "cannot cast " + cast_text(value, from) + " to " + to.text());
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') text.remove_prefix(1);
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  return text;
}

// Java's (int) and (long) of a double: truncates, saturates, NaN is 0.
std::int64_t saturated(double v, Kind kind) {
  if (std::isnan(v)) return 0;
  double low = kind == Kind::integer ? -2147483648.0 : -9223372036854775808.0;
  double high = kind == Kind::integer ? 2147483647.0 : 9223372036854775808.0;
  if (v <= low) return kind == Kind::integer ? INT32_MIN : INT64_MIN;
  if (v >= high) return kind == Kind::integer ? INT32_MAX : INT64_MAX;
  return static_cast<std::int64_t>(v);
}

double real_of(Decimal d, int scale) {
  std::string text = record::decimal_text(d, scale);
  return parse_double(text).value_or(0);
}

Result<Value> decimal_value(std::optional<__int128> v, const Value& value, const Type& from, const Type& to) {
  if (!v || !fits(*v, to.precision())) return refuse(value, from, to);
  return Value(Decimal{*v});
}

Result<Value> number_to(const Value& value, const Type& from, const Type& to) {
  auto kind = to.kind();
  if (from.kind() == Kind::double_) {
    auto v = std::get<double>(value.data);
    if (kind == Kind::double_) return value;
    if (kind == Kind::decimal) {
      std::string text;
      if (!std::isfinite(v)) return refuse(value, from, to);
      append_double(text, v);
      return decimal_value(parse_decimal(text, to.precision(), to.scale(), Excess::half_up), value, from, to);
    }
    return Value(saturated(v, kind));
  }
  if (from.kind() == Kind::decimal) {
    auto d = std::get<Decimal>(value.data);
    if (kind == Kind::double_) return Value(real_of(d, from.scale()));
    if (kind == Kind::decimal) return decimal_value(rescale(d.unscaled, from.scale(), to.scale(), Excess::half_up), value, from, to);
    auto whole = d.unscaled / power_of_ten(from.scale());
    if (kind == Kind::integer) return Value(std::int64_t{static_cast<std::int32_t>(whole)});
    return Value(static_cast<std::int64_t>(whole));
  }
  auto v = std::get<std::int64_t>(value.data);
  if (kind == Kind::double_) return Value(static_cast<double>(v));
  if (kind == Kind::decimal) return decimal_value(rescale(v, 0, to.scale(), Excess::half_up), value, from, to);
  if (kind == Kind::integer) return Value(std::int64_t{static_cast<std::int32_t>(v)});
  return Value(v);
}

bool truth_of(std::string_view text) {
  std::string word(text);
  for (auto& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return !word.empty() && (std::string_view("true").starts_with(word) || std::string_view("yes").starts_with(word));
}

template <class T>
Result<Value> or_refuse(const std::optional<T>& v, const Value& value, const Type& from, const Type& to) {
  if (!v) return refuse(value, from, to);
  return Value(*v);
}

Result<Value> text_to(const Value& value, const Type& from, const Type& to) {
  std::string_view whole = std::get<std::string>(value.data);
  auto text = trimmed(whole);
  switch (to.kind()) {
    case Kind::boolean: return Value(truth_of(text));
    case Kind::integer: return or_refuse(parse_whole(text, INT32_MIN, INT32_MAX), value, from, to);
    case Kind::bigint: return or_refuse(parse_whole(text, INT64_MIN, INT64_MAX), value, from, to);
    case Kind::double_: return or_refuse(parse_double(text), value, from, to);
    case Kind::decimal: return decimal_value(parse_decimal(text, to.precision(), to.scale(), Excess::half_up), value, from, to);
    case Kind::timestamp: return or_refuse(parse_timestamp(text), value, from, to);
    case Kind::date: return or_refuse(parse_date(text), value, from, to);
    case Kind::time: return or_refuse(parse_time(text), value, from, to);
    case Kind::bytes: return or_refuse(base64_bytes(text), value, from, to);
    default: return refuse(value, from, to);
  }
}

Result<Value> nested_to(const Value& value, const Type& from, const Type& to) {
  if (from.kind() == Kind::map) {
    auto out = std::make_shared<ValueMap>();
    for (auto& [key, item] : std::get<std::shared_ptr<const ValueMap>>(value.data)->entries) {
      TRY_ASSIGN(converted, cast_value(item, from.element(), to.element()));
      out->entries.emplace_back(key, std::move(converted));
    }
    return Value(std::shared_ptr<const ValueMap>(std::move(out)));
  }
  auto& items = *std::get<std::shared_ptr<const ValueList>>(value.data);
  auto out = std::make_shared<ValueList>();
  if (from.kind() == Kind::array) {
    for (auto& item : items) {
      TRY_ASSIGN(converted, cast_value(item, from.element(), to.element()));
      out->push_back(std::move(converted));
    }
  } else {
    for (auto& field : to.fields()) {
      auto at = from.field_index(field.name);
      if (at < 0) { out->emplace_back(); continue; }
      TRY_ASSIGN(converted, cast_value(items[static_cast<std::size_t>(at)], from.fields()[static_cast<std::size_t>(at)].type, field.type));
      out->push_back(std::move(converted));
    }
  }
  return Value(std::shared_ptr<const ValueList>(std::move(out)));
}

}  // namespace

std::string cast_text(const Value& value, const Type& type) {
  std::string out;
  if (value.null()) return "null";
  switch (type.kind()) {
    case Kind::boolean: return std::get<bool>(value.data) ? "true" : "false";
    case Kind::integer:
    case Kind::bigint: return std::to_string(std::get<std::int64_t>(value.data));
    case Kind::double_: append_double(out, std::get<double>(value.data)); return out;
    case Kind::decimal: return record::decimal_text(std::get<Decimal>(value.data), type.scale());
    case Kind::string: return std::get<std::string>(value.data);
    case Kind::bytes: append_base64(out, std::get<std::string>(value.data)); return out;
    case Kind::date: append_date(out, std::get<std::int64_t>(value.data)); return out;
    case Kind::time: append_time(out, std::get<std::int64_t>(value.data)); return out;
    case Kind::timestamp: append_timestamp(out, std::get<std::int64_t>(value.data)); return out;
    case Kind::array: {
      for (auto& item : *std::get<std::shared_ptr<const ValueList>>(value.data)) out += (out.empty() ? "" : ", ") + cast_text(item, type.element());
      return "[" + out + "]";
    }
    case Kind::map: {
      for (auto& [key, item] : std::get<std::shared_ptr<const ValueMap>>(value.data)->entries)
        out += (out.empty() ? "" : ", ") + key + "=" + cast_text(item, type.element());
      return "{" + out + "}";
    }
    case Kind::struct_: break;
  }
  auto& items = *std::get<std::shared_ptr<const ValueList>>(value.data);
  for (std::size_t i = 0; i < items.size(); ++i)
    out += (i ? "," : "") + type.fields()[i].name + "=" + cast_text(items[i], type.fields()[i].type);
  return "Struct{" + out + "}";
}

Result<Value> cast_value(const Value& value, const Type& from, const Type& to) {
  if (value.null() || from == to) return value;
  if (to.kind() == Kind::string) return Value(cast_text(value, from));
  if (from.kind() == Kind::string) return text_to(value, from, to);
  if (from.numeric() && to.numeric()) return number_to(value, from, to);
  if (from.nested() && from.kind() == to.kind()) return nested_to(value, from, to);
  if (from.kind() == Kind::timestamp && (to.kind() == Kind::date || to.kind() == Kind::time)) {
    auto ms = std::get<std::int64_t>(value.data);
    auto days = ms / day_ms - (ms % day_ms < 0);
    return Value(to.kind() == Kind::date ? days : ms - days * day_ms);
  }
  if (from.kind() == Kind::date && to.kind() == Kind::timestamp) return Value(std::get<std::int64_t>(value.data) * day_ms);
  return refuse(value, from, to);
}

}  // namespace tidemill::flow
