#include <cmath>

#include "flow/functions.h"
#include "flow/value_text.h"

namespace tidemill::flow {
namespace {

using record::Decimal;
using record::Kind;
using record::Value;

std::int64_t whole(const Value& v) { return std::get<std::int64_t>(v.data); }
double real(const Value& v) { return std::get<double>(v.data); }
__int128 digits(const Value& v) { return std::get<Decimal>(v.data).unscaled; }

std::int64_t wrapped(std::int64_t v, Kind kind) { return kind == Kind::integer ? static_cast<std::int32_t>(v) : v; }

Result<Value> abs_of(const Call& c) {
  auto kind = c.types[0].kind();
  if (kind == Kind::double_) return Value(std::fabs(real(c.args[0])));
  if (kind == Kind::decimal) return Value(Decimal{digits(c.args[0]) < 0 ? -digits(c.args[0]) : digits(c.args[0])});
  auto v = whole(c.args[0]);
  return Value(wrapped(v < 0 ? static_cast<std::int64_t>(0 - static_cast<std::uint64_t>(v)) : v, kind));
}

// Towards -infinity (direction -1) or +infinity (1) at `places` decimal places.
__int128 cut_decimal(__int128 v, int scale, int places, int direction) {
  if (places >= scale) return v;
  if (scale - places > 38) return 0;
  auto unit = power_of_ten(scale - places);
  auto rest = v % unit;
  v -= rest;
  if (rest > 0 && direction > 0) v += unit;
  if (rest < 0 && direction < 0) v -= unit;
  return v;
}

template <int direction>
Result<Value> step_of(const Call& c) {
  auto kind = c.types[0].kind();
  if (kind == Kind::double_) return Value(direction > 0 ? std::ceil(real(c.args[0])) : std::floor(real(c.args[0])));
  if (kind == Kind::decimal) return Value(Decimal{cut_decimal(digits(c.args[0]), c.types[0].scale(), 0, direction)});
  return c.args[0];
}

std::int64_t java_round(double v) {
  if (std::isnan(v)) return 0;
  auto r = std::floor(v);
  if (v - r >= 0.5) r += 1;
  if (r >= 9223372036854775808.0) return INT64_MAX;
  if (r <= -9223372036854775808.0) return INT64_MIN;
  return static_cast<std::int64_t>(r);
}

// Halves towards +infinity.
__int128 round_digits(__int128 v, int scale, int places) {
  if (places >= scale) return v;
  if (scale - places > 38) return 0;
  auto unit = power_of_ten(scale - places);
  return cut_decimal(v + unit / 2, scale, places, -1);
}

Result<Value> round_of(const Call& c) {
  auto kind = c.types[0].kind();
  if (kind == Kind::integer || kind == Kind::bigint) return c.args[0];
  int places = c.args.size() > 1 ? static_cast<int>(whole(c.args[1])) : 0;
  if (kind == Kind::double_) {
    if (c.args.size() == 1) return Value(java_round(real(c.args[0])));
    if (!std::isfinite(real(c.args[0]))) return c.args[0];
    std::string text;
    append_double(text, real(c.args[0]));
    auto exact = parse_decimal(text, 38, 18, Excess::half_up);
    if (!exact || places >= 18) return c.args[0];
    text.clear();
    append_decimal(text, round_digits(*exact, 18, places), 18);
    return Value(parse_double(text).value_or(real(c.args[0])));
  }
  auto scale = c.types[0].scale();
  auto rounded = round_digits(digits(c.args[0]), scale, places);
  auto fitted = rescale(rounded, scale, c.result.scale(), Excess::half_up);
  if (!fitted || !fits(*fitted, c.result.precision())) return fail(Code::invalid, "result does not fit " + c.result.text());
  return Value(Decimal{*fitted});
}

Result<Value> sign_of(const Call& c) { return Value(std::int64_t{(real(c.args[0]) > 0) - (real(c.args[0]) < 0)}); }
Result<Value> power_of(const Call& c) { return Value(std::pow(real(c.args[0]), real(c.args[1]))); }

template <double (*f)(double)>
Result<Value> real_of(const Call& c) { return Value(f(real(c.args[0]))); }

template <int direction>
Result<Value> extreme_of(const Call& c) {
  const Value* best = nullptr;
  std::size_t best_at = 0;
  auto comparable = [&](std::size_t i) {  // decimals arrive with scales of their own
    if (c.types[i].kind() != Kind::decimal) return c.args[i];
    return Value(Decimal{rescale(digits(c.args[i]), c.types[i].scale(), c.result.scale(), Excess::half_up).value_or(0)});
  };
  for (std::size_t i = 0; i < c.args.size(); ++i) {
    if (c.args[i].null()) continue;
    if (!best || compare_values(comparable(i), comparable(best_at), c.result) * direction > 0) { best = &c.args[i]; best_at = i; }
  }
  return best ? comparable(best_at) : Value();
}

constexpr ScalarFunction table[] = {
    {"ABS", abs_of},
    {"CEIL", step_of<1>},
    {"FLOOR", step_of<-1>},
    {"ROUND", round_of},
    {"SQRT", real_of<std::sqrt>},
    {"POWER", power_of},
    {"LN", real_of<std::log>},
    {"EXP", real_of<std::exp>},
    {"SIGN", sign_of},
    {"GREATEST", extreme_of<1>, false},
    {"LEAST", extreme_of<-1>, false},
};

}  // namespace

int compare_values(const Value& a, const Value& b, const record::Type& type) {
  auto order = [](const auto& x, const auto& y) { return x < y ? -1 : y < x ? 1 : 0; };
  switch (type.kind()) {
    case Kind::double_: return order(real(a), real(b));
    case Kind::decimal: return order(digits(a), digits(b));
    case Kind::string:
    case Kind::bytes: return order(std::get<std::string>(a.data), std::get<std::string>(b.data));
    case Kind::boolean: return order(std::get<bool>(a.data), std::get<bool>(b.data));
    default: return order(whole(a), whole(b));
  }
}

std::span<const ScalarFunction> numeric_functions() { return table; }

}  // namespace tidemill::flow
