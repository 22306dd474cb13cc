#include <fmt/core.h>

#include "flow/value_text.h"

// ISO dates and times. Proleptic Gregorian, as java.time has it.

namespace tidemill::flow {
namespace {

constexpr std::int64_t day_ms = 86'400'000;

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0); }

// Reads exactly `count` digits.
bool digits(std::string_view& text, int count, int& out) {
  if (text.size() < static_cast<std::size_t>(count)) return false;
  out = 0;
  for (int i = 0; i < count; ++i) {
    char c = text[static_cast<std::size_t>(i)];
    if (c < '0' || c > '9') return false;
    out = out * 10 + (c - '0');
  }
  text.remove_prefix(static_cast<std::size_t>(count));
  return true;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

int days_in_month(int year, int month) {
  static constexpr int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : days[month - 1];
}

bool take_fraction(std::string_view& text, int& ms) {
  ms = 0;
  int scale = 100;
  bool any = false;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    ms += (text.front() - '0') * scale;
    scale /= 10;
    any = true;
    text.remove_prefix(1);
  }
  return any;
}

// HH[:mm[:ss[.fraction]]]
bool take_time(std::string_view& text, std::int64_t& ms_of_day) {
  int hour = 0, minute = 0, second = 0, ms = 0;
  if (!digits(text, 2, hour)) return false;
  if (take(text, ':')) {
    if (!digits(text, 2, minute)) return false;
    if (take(text, ':')) {
      if (!digits(text, 2, second)) return false;
      if (take(text, '.') && !take_fraction(text, ms)) return false;
    }
  }
  if (hour > 23 || minute > 59 || second > 59) return false;
  ms_of_day = ((hour * 60 + minute) * 60 + second) * std::int64_t{1000} + ms;
  return true;
}

// yyyy[-MM[-dd]]; `partial` allows the missing parts.
bool take_date(std::string_view& text, bool partial, std::int64_t& days) {
  int year = 0, month = 1, day = 1;
  if (!digits(text, 4, year)) return false;
  if (text.starts_with('-')) {
    text.remove_prefix(1);
    if (!digits(text, 2, month)) return false;
    if (text.starts_with('-')) {
      text.remove_prefix(1);
      if (!digits(text, 2, day)) return false;
    } else if (!partial) {
      return false;
    }
  } else if (!partial) {
    return false;
  }
  if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) return false;
  days = days_of_civil(year, month, day);
  return true;
}

// Z, +HH, +HHmm, +HH:mm
bool take_zone(std::string_view& text, std::int64_t& offset_ms) {
  offset_ms = 0;
  if (text.empty() || take(text, 'Z')) return true;
  bool minus = text.front() == '-';
  if (!minus && text.front() != '+') return false;
  text.remove_prefix(1);
  int hour = 0, minute = 0;
  if (!digits(text, 2, hour)) return false;
  take(text, ':');
  if (!text.empty() && !digits(text, 2, minute)) return false;
  offset_ms = (hour * 60 + minute) * std::int64_t{60'000} * (minus ? -1 : 1);
  return true;
}

}  // namespace

// After Howard Hinnant's published algorithms on days and civil dates.
std::int64_t days_of_civil(std::int64_t year, int month, int day) {
  year -= month <= 2;
  auto era = floor_div(year, 400);
  auto year_of_era = year - era * 400;
  auto day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

CivilDate civil_of_days(std::int64_t days) {
  days += 719468;
  auto era = floor_div(days, 146097);
  auto day_of_era = days - era * 146097;
  auto year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  auto day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  auto shifted = (5 * day_of_year + 2) / 153;
  auto day = static_cast<int>(day_of_year - (153 * shifted + 2) / 5 + 1);
  auto month = static_cast<int>(shifted < 10 ? shifted + 3 : shifted - 9);
  return {year_of_era + era * 400 + (month <= 2), month, day};
}

void append_date(std::string& out, std::int64_t days) {
  auto d = civil_of_days(days);
  if (d.year < 0) fmt::format_to(std::back_inserter(out), "-{:04}-{:02}-{:02}", -d.year, d.month, d.day);
  else fmt::format_to(std::back_inserter(out), "{}{:04}-{:02}-{:02}", d.year > 9999 ? "+" : "", d.year, d.month, d.day);
}

void append_time(std::string& out, std::int64_t ms_of_day) {
  auto seconds = ms_of_day / 1000;
  fmt::format_to(std::back_inserter(out), "{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
  if (seconds % 60) fmt::format_to(std::back_inserter(out), ":{:02}", seconds % 60);
}

void append_timestamp(std::string& out, std::int64_t ms) {
  auto days = floor_div(ms, day_ms);
  auto rest = ms - days * day_ms;
  append_date(out, days);
  fmt::format_to(std::back_inserter(out), "T{:02}:{:02}:{:02}.{:03}", rest / 3'600'000, rest / 60'000 % 60, rest / 1000 % 60, rest % 1000);
}

std::optional<std::int64_t> parse_date(std::string_view text) {
  std::int64_t days = 0;
  if (!take_date(text, false, days)) return std::nullopt;
  std::int64_t ignored = 0;
  if (take(text, 'T') && !take_time(text, ignored)) return std::nullopt;
  if (!text.empty()) return std::nullopt;
  return days;
}

std::optional<std::int64_t> parse_time(std::string_view text) {
  std::int64_t ms = 0;
  if (text.size() < 5 || !take_time(text, ms) || !text.empty()) return std::nullopt;
  return ms;
}

std::optional<std::int64_t> parse_timestamp(std::string_view text) {
  std::int64_t days = 0, ms = 0, offset_ms = 0;
  if (!take_date(text, true, days)) return std::nullopt;
  if ((take(text, 'T') || take(text, ' ')) && !text.empty() && !take_time(text, ms)) return std::nullopt;
  if (!take_zone(text, offset_ms) || !text.empty()) return std::nullopt;
  return days * day_ms + ms - offset_ms;
}

}  // namespace tidemill::flow
