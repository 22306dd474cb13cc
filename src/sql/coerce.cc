#include "sql/coerce.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace tidemill::sql {

using record::Kind;
using record::Type;
using record::Value;

namespace {

constexpr int digits_max = 38;

bool time_kind(Kind kind) { return kind == Kind::date || kind == Kind::time || kind == Kind::timestamp; }

// Too many digits cost fraction first, down to six places.
Type fitted(int precision, int scale) {
  if (precision > digits_max) scale = std::max(std::min(scale, 6), scale - (precision - digits_max));
  precision = std::min(precision, digits_max);
  return Type::decimal(std::max(precision, 1), std::min(scale, precision));
}

Type common_decimal(const Type& a, const Type& b) {
  int scale = std::max(a.scale(), b.scale());
  return fitted(std::max(a.precision() - a.scale(), b.precision() - b.scale()) + scale, scale);
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') text.remove_prefix(1);
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.remove_suffix(1);
  return text;
}

Error bad_text(std::string_view text, Kind kind) {
  auto name = kind == Kind::decimal ? "DECIMAL" : Type(kind).text();
  return fail(Code::invalid, fmt::format("invalid input syntax for type {}: \"{}\"", name, text), "write a value of that type");
}

std::optional<__int128> power_of_ten(int exponent) {
  if (exponent < 0 || exponent > digits_max) return std::nullopt;
  __int128 result = 1;
  while (exponent-- > 0) result *= 10;
  return result;
}

bool fits(__int128 unscaled, int precision) {
  auto limit = *power_of_ten(precision);
  return unscaled < limit && unscaled > -limit;
}

Result<Value> decimal_to(record::Decimal value, int scale, const Type& to) {
  if (to.scale() < scale) return fail(Code::invalid, "the number has more decimal places than its type", "CAST it");
  auto factor = power_of_ten(to.scale() - scale);
  __int128 product;
  if (!factor || __builtin_mul_overflow(value.unscaled, *factor, &product) || !fits(product, to.precision())) {
    return fail(Code::invalid, fmt::format("Numeric field overflow: {} does not fit {}", record::decimal_text(value, scale), to.text()), "use a wider DECIMAL");
  }
  return Value(record::Decimal{product});
}

Result<Value> text_to_decimal(std::string_view text, const Type& to) {
  auto all = text;
  bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  record::Decimal value;
  int scale = -1, digits = 0;
  for (char c : text) {
    if (c == '.' && scale < 0) { scale = 0; continue; }
    if (c < '0' || c > '9' || ++digits > digits_max) return bad_text(all, Kind::decimal);
    value.unscaled = value.unscaled * 10 + (c - '0');
    if (scale >= 0) ++scale;
  }
  if (digits == 0) return bad_text(all, Kind::decimal);
  if (negative) value.unscaled = -value.unscaled;
  return decimal_to(value, std::max(scale, 0), to);
}

Result<Value> text_to_boolean(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (!lower.empty() && (std::string_view("true").starts_with(lower) || std::string_view("yes").starts_with(lower))) return Value(true);
  if (!lower.empty() && (std::string_view("false").starts_with(lower) || std::string_view("no").starts_with(lower))) return Value(false);
  return bad_text(text, Kind::boolean);
}

Result<Value> text_to_integer(std::string_view text, Kind kind) {
  std::int64_t number = 0;
  auto digits = text.starts_with('+') ? text.substr(1) : text;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  bool whole = error == std::errc() && end == digits.data() + digits.size();
  if (!whole || (kind == Kind::integer && (number > INT32_MAX || number < INT32_MIN))) return bad_text(text, kind);
  return Value(number);
}

Result<Value> text_to(const std::string& original, const Type& to) {
  auto text = std::string(trimmed(original));
  auto moment = [&](std::optional<std::int64_t> parsed) -> Result<Value> {
    if (!parsed) return bad_text(original, to.kind());
    return Value(*parsed);
  };
  switch (to.kind()) {
    case Kind::boolean: return text_to_boolean(text);
    case Kind::integer:
    case Kind::bigint: return text_to_integer(text, to.kind());
    case Kind::decimal: return text_to_decimal(text, to);
    case Kind::double_: {
      char* end = nullptr;
      auto number = std::strtod(text.c_str(), &end);
      bool plain = text.find_first_not_of("+-0123456789.eE") == std::string::npos;
      if (text.empty() || !plain || *end != '\0') return bad_text(original, to.kind());
      return Value(number);
    }
    case Kind::date: return moment(parse_date(text));
    case Kind::time: return moment(parse_time(text));
    case Kind::timestamp: return moment(parse_timestamp(text));
    case Kind::string: return Value(original);
    default: return fail(Code::unsupported, "this text is converted when the query runs");
  }
}

double as_double(record::Decimal value, int scale) { return std::strtod(record::decimal_text(value, scale).c_str(), nullptr); }

Error no_conversion(const Type& from, const Type& to) {
  return fail(Code::unsupported, fmt::format("Cast of {} to {} is not supported", from.text(), to.text()));
}

Result<Value> integer_to(std::int64_t number, const Type& from, const Type& to) {
  if (to.kind() == Kind::integer && number <= INT32_MAX && number >= INT32_MIN) return Value(number);
  if (to.kind() == Kind::bigint) return Value(number);
  if (to.kind() == Kind::decimal) return decimal_to(record::Decimal{number}, 0, to);
  if (to.kind() == Kind::double_) return Value(static_cast<double>(number));
  if (to.kind() == Kind::string) return Value(std::to_string(number));
  return no_conversion(from, to);
}

std::shared_ptr<Expr> retyped(const Expr& from, const Type& type) {
  auto result = std::make_shared<Expr>();
  result->type = type;
  result->text = from.text;
  return result;
}

}  // namespace

bool literal(const Expr& expr) { return expr.op == ExprOp::literal; }
bool null_literal(const Expr& expr) { return literal(expr) && expr.value.null(); }

Type as_decimal(const Type& type) {
  if (type.kind() == Kind::integer) return Type::decimal(10, 0);
  if (type.kind() == Kind::bigint) return Type::decimal(19, 0);
  return type;
}

Type common_numeric(const Type& a, const Type& b) {
  if (a.kind() == Kind::double_ || b.kind() == Kind::double_) return Kind::double_;
  if (a.kind() == Kind::decimal || b.kind() == Kind::decimal) return common_decimal(as_decimal(a), as_decimal(b));
  return a.kind() == Kind::bigint || b.kind() == Kind::bigint ? Kind::bigint : Kind::integer;
}

Type arithmetic_type(ExprOp op, const Type& left, const Type& right) {
  if (common_numeric(left, right).kind() != Kind::decimal) return common_numeric(left, right);
  auto a = as_decimal(left), b = as_decimal(right);
  int scale = std::max(a.scale(), b.scale());
  int whole_a = a.precision() - a.scale(), whole_b = b.precision() - b.scale();
  switch (op) {
    case ExprOp::multiply: return fitted(a.precision() + b.precision() + 1, a.scale() + b.scale());
    case ExprOp::divide:
      scale = std::max(6, a.scale() + b.precision() + 1);
      return fitted(whole_a + b.scale() + scale, scale);
    case ExprOp::modulo: return fitted(std::min(whole_a, whole_b) + scale, scale);
    default: return fitted(std::max(whole_a, whole_b) + scale + 1, scale);
  }
}

bool widens(const Type& from, const Type& to) {
  if (from == to) return true;
  if (from.numeric() && to.numeric()) {
    if (to.kind() == Kind::decimal) return from.kind() != Kind::double_ && common_decimal(as_decimal(from), to) == to;
    return common_numeric(from, to).kind() == to.kind();
  }
  if (from.kind() == Kind::string) return time_kind(to.kind()) || to.kind() == Kind::bytes;
  if (from.kind() != to.kind() || !from.nested()) return false;
  if (from.kind() != Kind::struct_) return widens(from.element(), to.element());
  return std::all_of(from.fields().begin(), from.fields().end(), [&](const record::Field& field) {
    int index = to.field_index(field.name);
    return index >= 0 && widens(field.type, to.fields()[static_cast<std::size_t>(index)].type);
  });
}

bool castable(const Type& from, const Type& to) {
  if (from == to || to.kind() == Kind::string) return from.kind() != Kind::bytes || from == to;
  if (from.numeric()) return to.numeric();
  switch (from.kind()) {
    case Kind::string: return !to.nested();
    case Kind::timestamp: return to.kind() == Kind::time || to.kind() == Kind::date;
    case Kind::date: return to.kind() == Kind::timestamp;
    case Kind::array:
    case Kind::map: return to.kind() == from.kind() && castable(from.element(), to.element());
    case Kind::struct_: break;
    default: return false;
  }
  if (to.kind() != Kind::struct_) return false;
  return std::all_of(to.fields().begin(), to.fields().end(), [&](const record::Field& field) {
    int index = from.field_index(field.name);
    return index < 0 || castable(from.fields()[static_cast<std::size_t>(index)].type, field.type);
  });
}

Result<Value> literal_as(const Value& value, const Type& from, const Type& to) {
  if (value.null() || from == to) return value;
  if (auto* text = std::get_if<std::string>(&value.data)) return text_to(*text, to);
  if (auto* number = std::get_if<std::int64_t>(&value.data)) return integer_to(*number, from, to);
  if (auto* decimal = std::get_if<record::Decimal>(&value.data)) {
    if (to.kind() == Kind::decimal) return decimal_to(*decimal, from.scale(), to);
    if (to.kind() == Kind::double_) return Value(as_double(*decimal, from.scale()));
    if (to.kind() == Kind::string) return Value(record::decimal_text(*decimal, from.scale()));
  }
  if (auto* flag = std::get_if<bool>(&value.data); flag && to.kind() == Kind::string) return Value(std::string(*flag ? "true" : "false"));
  return no_conversion(from, to);
}

Result<ExprPtr> converted(const ExprPtr& expr, const Type& type) {
  if (expr->type == type) return expr;
  auto result = retyped(*expr, type);
  if (literal(*expr)) {
    auto value = literal_as(expr->value, expr->type, type);
    if (!value && value.error().code != Code::unsupported) return value.error();
    if (value) {
      result->value = std::move(*value);
      return ExprPtr(result);
    }
  }
  result->op = ExprOp::cast;
  result->args = {expr};
  return ExprPtr(result);
}

namespace {

// The type in which `so_far` and the next expression meet, if they do.
Result<Type> meet(const Type& so_far, const Expr& next) {
  if (so_far == next.type) return so_far;
  if (so_far.numeric() && next.type.numeric()) return common_numeric(so_far, next.type);
  if (literal(next) && !so_far.nested() && (so_far.kind() == Kind::string || next.type.kind() == Kind::string)) {
    if (auto value = literal_as(next.value, next.type, so_far.kind() == Kind::integer ? Type(Kind::bigint) : so_far); !value && value.error().code != Code::unsupported) {
      if (so_far.numeric() && literal_as(next.value, next.type, Kind::double_)) return Type(Kind::double_);
      return bad_text(std::get<std::string>(next.value.data), so_far.kind());
    }
    return so_far;
  }
  if (widens(next.type, so_far)) return so_far;
  if (widens(so_far, next.type)) return next.type;
  return fail(Code::invalid, fmt::format("operator does not exist: {} = {} ({})", so_far.text(), next.type.text(), next.text), "CAST one of them to the type of the other");
}

}  // namespace

Result<Type> unify(std::vector<ExprPtr>& exprs) {
  auto first = std::find_if(exprs.begin(), exprs.end(), [](const ExprPtr& e) { return !null_literal(*e); });
  if (first == exprs.end()) return Type(Kind::string);
  Type type = (*first)->type;
  for (auto& expr : exprs) {
    if (null_literal(*expr)) continue;
    TRY_ASSIGN(next, meet(type, *expr));
    type = next;
  }
  for (auto& expr : exprs) {
    TRY_ASSIGN(same, converted(expr, type));
    expr = same;
  }
  return type;
}

}  // namespace tidemill::sql
