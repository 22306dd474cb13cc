// The values of columns: what append_value() of column_type.h and its relatives write.
#include <fmt/format.h>

#include <charconv>

#include "bytes/slice.h"
#include "connect/json_text.h"
#include "connect/postgres/civil_time.h"
#include "connect/postgres/column_type.h"
#include "connect/postgres/decimal.h"

namespace tidemill::connect::postgres {
namespace {

bool append_number(std::string& out, std::optional<std::int64_t> number) {
  if (!number) return false;
  append_json_number(out, *number);
  return true;
}

// PostgreSQL's text of a number is JSON's, but for what is not finite, which JSON writes as a string. A fraction is shown always, so
// that readers who choose their type by the look of it see a double.
bool append_double(std::string& out, std::string_view text) {
  if (text.empty()) return false;
  auto last = text.back();
  if (last < '0' || last > '9') {
    append_json_string(out, text);
    return true;
  }
  out.append(text);
  if (text.find_first_of(".e") == std::string_view::npos) out.append(".0");
  return true;
}

bool append_quoted_base64(std::string& out, std::string_view bytes) {
  out.push_back('"');
  append_base64(out, as_bytes(bytes));
  out.push_back('"');
  return true;
}

bool append_decimal(std::string& out, std::string_view text, int scale) {
  auto bytes = unscaled_bytes(text, scale);
  return bytes && append_quoted_base64(out, *bytes);
}

bool append_variable_decimal(std::string& out, std::string_view text) {
  auto scale = scale_of(text);
  auto bytes = unscaled_bytes(text, scale);
  if (!bytes) return false;
  fmt::format_to(std::back_inserter(out), R"({{"scale":{},"value":)", scale);
  append_quoted_base64(out, *bytes);
  out.push_back('}');
  return true;
}

// lc_monetary C prints $1,234.56.
std::string plain_money(std::string_view text) {
  std::string plain;
  for (char c : text)
    if (c == '-' || c == '.' || (c >= '0' && c <= '9')) plain.push_back(c);
  return plain;
}

int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// bytea_output hex: \x0123ab
bool append_bytes(std::string& out, std::string_view text) {
  if (!text.starts_with("\\x") || text.size() % 2 != 0) return false;
  std::string bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 2; i < text.size(); i += 2) {
    auto high = nibble(text[i]), low = nibble(text[i + 1]);
    if (high < 0 || low < 0) return false;
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return append_quoted_base64(out, bytes);
}

// "10110", the last character being the lowest bit of the first byte.
bool append_bits(std::string& out, std::string_view text) {
  std::string bytes((text.size() + 7) / 8, '\0');
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[text.size() - 1 - i] == '1') bytes[i / 8] = static_cast<char>(bytes[i / 8] | 1 << i % 8);
  return append_quoted_base64(out, bytes);
}

std::optional<std::int64_t> milliseconds(std::optional<std::int64_t> us) {
  if (!us) return us;
  return *us / 1000 - (*us % 1000 < 0);
}

bool append_zoned(std::string& out, std::string_view text, int digits) {
  auto us = parse_timestamp(text);
  if (!us) return false;
  if (text.ends_with("infinity")) {
    append_json_string(out, text);
    return true;
  }
  out.push_back('"');
  append_iso_instant(out, *us, digits);
  out.push_back('"');
  return true;
}

bool append_zoned_time(std::string& out, std::string_view text) {
  std::string time;
  if (!append_iso_zoned_time(time, text)) return false;
  append_json_string(out, time);
  return true;
}

// IntervalStyle iso_8601: P1Y2M3DT4H5M6.789S, any part may be missing or negative.
struct Interval {
  double years = 0, months = 0, days = 0, hours = 0, minutes = 0, seconds = 0;
};
std::optional<Interval> parse_interval(std::string_view text) {
  if (!text.starts_with('P')) return std::nullopt;
  text.remove_prefix(1);
  Interval interval;
  bool clock = false;
  while (!text.empty()) {
    if (text.front() == 'T') {
      clock = true;
      text.remove_prefix(1);
      continue;
    }
    double number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end == text.data() + text.size()) return std::nullopt;
    switch (*end) {
      case 'Y': interval.years = number; break;
      case 'M': (clock ? interval.minutes : interval.months) = number; break;
      case 'D': interval.days = number; break;
      case 'H': interval.hours = number; break;
      case 'S': interval.seconds = number; break;
      default: return std::nullopt;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  }
  return interval;
}

// Months count 365.25 / 12 days, as Debezium has it.
bool append_interval_us(std::string& out, std::string_view text) {
  auto i = parse_interval(text);
  if (!i) return false;
  auto days = (i->years * 12 + i->months) * (365.25 / 12) + i->days;
  auto us = days * 86400e6 + (i->hours * 3600 + i->minutes * 60) * 1e6 + i->seconds * 1e6;
  if (!(us > -9.2e18 && us < 9.2e18)) return false;
  append_json_number(out, static_cast<std::int64_t>(us < 0 ? us - 0.5 : us + 0.5));
  return true;
}

bool append_interval_text(std::string& out, std::string_view text) {
  auto i = parse_interval(text);
  if (!i) return false;
  fmt::format_to(std::back_inserter(out), "\"P{}Y{}M{}DT{}H{}M{}S\"", i->years, i->months, i->days, i->hours, i->minutes, i->seconds);
  return true;
}

// {a,"b \"c\"",NULL,{nested}}. Elements are unescaped into `scratch` only when they are quoted.
class ArrayReader {
 public:
  ArrayReader(std::string_view text, const ColumnType& element) : text_(text), element_(element) {}

  bool append(std::string& out) {
    skip_bounds();
    return append_array(out) && text_.empty();
  }

 private:
  // [2:3]={...}: an array that does not begin at 1. The bounds are not carried.
  void skip_bounds() {
    if (text_.starts_with('['))
      if (auto at = text_.find('='); at != std::string_view::npos) text_.remove_prefix(at + 1);
  }

  bool append_array(std::string& out) {
    if (!take('{')) return false;
    out.push_back('[');
    for (bool first = true; !take('}'); first = false) {
      if (!first) {
        if (!take(',')) return false;
        out.push_back(',');
      }
      if (text_.empty() || !append_element(out)) return false;
    }
    out.push_back(']');
    return true;
  }

  bool append_element(std::string& out) {
    if (text_.starts_with('{')) return append_array(out);
    bool quoted = take('"');
    auto item = quoted ? quoted_item() : plain_item();
    if ((!quoted && item == "NULL") || !append_value(out, element_, item)) out.append("null");
    return true;
  }

  std::string_view plain_item() {
    auto end = std::min(text_.find_first_of(",}"), text_.size());
    auto item = text_.substr(0, end);
    text_.remove_prefix(end);
    return item;
  }

  std::string_view quoted_item() {
    scratch_.clear();
    while (!text_.empty() && !take('"')) {
      if (text_.front() == '\\' && text_.size() > 1) text_.remove_prefix(1);
      scratch_.push_back(text_.front());
      text_.remove_prefix(1);
    }
    return scratch_;
  }

  bool take(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }

  std::string_view text_;
  const ColumnType& element_;
  std::string scratch_;
};

bool append_array(std::string& out, std::string_view text, const ColumnType& element) {
  auto before = out.size();
  if (ArrayReader(text, element).append(out)) return true;
  out.resize(before);
  return false;
}

}  // namespace

bool append_value(std::string& out, const ColumnType& type, std::string_view text) {
  switch (type.kind) {
    case Kind::boolean: out.append(text == "t" || text == "1" ? "true" : "false"); return true;
    case Kind::int16: case Kind::int32: case Kind::int64: out.append(text); return !text.empty();
    case Kind::float32: case Kind::float64: return append_double(out, text);
    case Kind::decimal: return append_decimal(out, text, type.scale);
    case Kind::variable_decimal: return append_variable_decimal(out, text);
    case Kind::money: return append_decimal(out, plain_money(text), 2);
    case Kind::decimal_double: return append_double(out, text.find('$') == std::string_view::npos ? std::string(text) : plain_money(text));
    case Kind::decimal_text: append_json_string(out, text.find('$') == std::string_view::npos ? std::string(text) : plain_money(text)); return true;
    case Kind::text: case Kind::uuid: case Kind::json: case Kind::xml: case Kind::tsvector: case Kind::ltree:
    case Kind::enumeration: append_json_string(out, text); return true;
    case Kind::bytes: return append_bytes(out, text);
    case Kind::bits: return append_bits(out, text);
    case Kind::date: case Kind::connect_date: return append_number(out, parse_date(text));
    case Kind::time_ms: case Kind::connect_time: return append_number(out, milliseconds(parse_time(text)));
    case Kind::time_us: return append_number(out, parse_time(text));
    case Kind::timestamp_ms: case Kind::connect_timestamp: return append_number(out, milliseconds(parse_timestamp(text)));
    case Kind::timestamp_us: return append_number(out, parse_timestamp(text));
    case Kind::zoned_timestamp: return append_zoned(out, text, type.digits);
    case Kind::zoned_time: return append_zoned_time(out, text);
    case Kind::interval_us: return append_interval_us(out, text);
    case Kind::interval_text: return append_interval_text(out, text);
    case Kind::array: return append_array(out, text, *type.element);
  }
  return false;
}

std::string fallback_value(const ColumnType& type) {
  switch (type.kind) {
    case Kind::boolean: return "false";
    case Kind::float32: case Kind::float64: case Kind::decimal_double: return "0.0";
    case Kind::decimal: case Kind::money: return "\"AA==\"";
    case Kind::variable_decimal: return R"({"scale":0,"value":"AA=="})";
    case Kind::decimal_text: return "\"0\"";
    case Kind::json: return "\"{}\"";
    case Kind::text: case Kind::bytes: case Kind::bits: case Kind::uuid: case Kind::xml: case Kind::tsvector: case Kind::ltree:
    case Kind::enumeration: case Kind::interval_text: return "\"\"";
    case Kind::zoned_timestamp: return "\"1970-01-01T00:00:00Z\"";
    case Kind::zoned_time: return "\"00:00:00Z\"";
    case Kind::array: return "[]";
    default: return "0";
  }
}

std::string placeholder_value(const ColumnType& type, std::string_view placeholder) {
  switch (type.kind) {
    case Kind::bytes: case Kind::bits: {
      std::string out;
      append_quoted_base64(out, placeholder);
      return out;
    }
    case Kind::text: case Kind::decimal_text: case Kind::uuid: case Kind::json: case Kind::xml: case Kind::tsvector: case Kind::ltree:
    case Kind::enumeration: return json_string(placeholder);
    case Kind::array: {
      auto one = placeholder_value(*type.element, placeholder);
      return one == "null" ? one : "[" + one + "]";
    }
    default: return "null";  // no type that is stored out of line
  }
}

}  // namespace tidemill::connect::postgres
