#include "connect/postgres/civil_time.h"

#include <fmt/format.h>

#include <charconv>

namespace tidemill::connect::postgres {
namespace {

using std::int64_t;

// Days since 1970 of a proleptic Gregorian date, and back: the algorithms with years that begin in March and eras of 400 years.
int64_t days_from_civil(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2;
  auto era = (year >= 0 ? year : year - 399) / 400;
  auto year_of_era = year - era * 400;
  auto day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

struct Civil { int64_t year, month, day; };
Civil civil_from_days(int64_t days) {
  days += 719468;
  auto era = (days >= 0 ? days : days - 146096) / 146097;
  auto day_of_era = days - era * 146097;
  auto year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  auto day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  auto shifted = (5 * day_of_year + 2) / 153;
  auto month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1};
}

constexpr int64_t year_max = 5'874'897;  // of PostgreSQL's dates

// Takes a run of digits off the front: a number up to `max`.
std::optional<int64_t> take_number(std::string_view& text, int64_t max) {
  int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || text.front() == '-' || value > max) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

bool take_bc(std::string_view& text) {
  if (!text.ends_with(" BC")) return false;
  text.remove_suffix(3);
  return true;
}

std::optional<int64_t> take_date(std::string_view& text, bool before_christ) {
  auto year = take_number(text, year_max);
  if (!year || !take(text, '-')) return std::nullopt;
  auto month = take_number(text, 12);
  if (!month || *month < 1 || !take(text, '-')) return std::nullopt;
  auto day = take_number(text, 31);
  if (!day) return std::nullopt;
  return days_from_civil(before_christ ? 1 - *year : *year, *month, *day);
}

int64_t take_fraction(std::string_view& text) {
  int64_t us = 0;
  int digits = 0;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1))
    if (digits < 6) {
      us = us * 10 + (text.front() - '0');
      ++digits;
    }
  for (; digits < 6; ++digits) us *= 10;
  return us;
}

std::optional<int64_t> take_clock(std::string_view& text) {
  auto hour = take_number(text, 24);
  if (!hour || !take(text, ':')) return std::nullopt;
  auto minute = take_number(text, 59);
  if (!minute || !take(text, ':')) return std::nullopt;
  auto second = take_number(text, 60);
  if (!second) return std::nullopt;
  auto us = take(text, '.') ? take_fraction(text) : 0;
  return ((*hour * 60 + *minute) * 60 + *second) * 1'000'000 + us;
}

// +02, -03:30, +05:53:28; nothing is UTC.
std::optional<int64_t> take_zone(std::string_view& text) {
  if (text.empty()) return 0;
  bool west = text.front() == '-';
  if (!west && text.front() != '+') return std::nullopt;
  text.remove_prefix(1);
  int64_t seconds = 0;
  for (int64_t unit = 3600; unit > 0; unit /= 60) {
    auto part = take_number(text, 59);
    if (!part) return std::nullopt;
    seconds += *part * unit;
    if (!take(text, ':')) break;
  }
  return (west ? -seconds : seconds) * 1'000'000;
}

template <class T>
std::optional<T> whole(std::optional<T> value, std::string_view rest) { return rest.empty() ? value : std::nullopt; }

}  // namespace

std::optional<int64_t> parse_date(std::string_view text) {
  if (text == "infinity") return infinity_date;
  if (text == "-infinity") return minus_infinity_date;
  bool before_christ = take_bc(text);
  auto days = take_date(text, before_christ);
  return whole(days, text);
}

std::optional<int64_t> parse_time(std::string_view text) {
  auto us = take_clock(text);
  return whole(us, text);
}

std::optional<int64_t> parse_timestamp(std::string_view text) {
  if (text == "infinity") return infinity_us;
  if (text == "-infinity") return minus_infinity_us;
  bool before_christ = take_bc(text);
  auto days = take_date(text, before_christ);
  if (!days || !take(text, ' ')) return std::nullopt;
  auto clock = take_clock(text);
  if (!clock) return std::nullopt;
  auto zone = take_zone(text);
  if (!zone || !text.empty()) return std::nullopt;
  // PostgreSQL counts from 2000 and so comes thirty years further than what is counted from 1970.
  int64_t us = 0;
  if (__builtin_mul_overflow(*days, day_us, &us) || __builtin_add_overflow(us, *clock - *zone, &us)) return std::nullopt;
  return us;
}

void append_iso_instant(std::string& out, int64_t us, int digits) {
  auto days = us / day_us - (us % day_us < 0);
  auto in_day = us - days * day_us;
  auto date = civil_from_days(days);
  auto seconds = in_day / 1'000'000;
  auto into = std::back_inserter(out);
  if (date.year > 9999) out.push_back('+');
  fmt::format_to(into, "{:0{}}-{:02}-{:02}T{:02}:{:02}:{:02}", date.year, date.year < 0 ? 5 : 4, date.month, date.day,
                 seconds / 3600, seconds / 60 % 60, seconds % 60);
  if (digits > 0) {
    auto fraction = in_day % 1'000'000;
    for (int i = digits; i < 6; ++i) fraction /= 10;
    fmt::format_to(into, ".{:0{}}", fraction, digits);
  }
  out.push_back('Z');
}

bool append_iso_zoned_time(std::string& out, std::string_view text) {
  auto clock = take_clock(text);
  if (!clock) return false;
  auto zone = take_zone(text);
  if (!zone || !text.empty()) return false;
  auto us = (*clock - *zone % day_us + day_us) % day_us;
  auto seconds = us / 1'000'000;
  fmt::format_to(std::back_inserter(out), "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
  if (auto fraction = us % 1'000'000; fraction != 0) {
    out.append(fmt::format(".{:06}", fraction));
    while (out.back() == '0') out.pop_back();
  }
  out.push_back('Z');
  return true;
}

}  // namespace tidemill::connect::postgres
