// Texts of dates and times in literals.
#include <charconv>
#include <chrono>

#include "sql/coerce.h"

namespace tidemill::sql {
namespace {

// Reads exactly `digits` digits off the front, when they are there.
std::optional<int> number(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool skip(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::int64_t> days(std::string_view& text) {
  auto year = number(text, 4);
  if (!year) return std::nullopt;
  std::optional<int> month = 1, day = 1;
  if (skip(text, '-')) {
    month = number(text, 2);
    if (skip(text, '-')) day = number(text, 2);
  }
  if (!month || !day) return std::nullopt;
  std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)), std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count();
}

// HH[:mm[:ss[.fraction]]]
std::optional<std::int64_t> clock(std::string_view& text) {
  auto hour = number(text, 2);
  std::optional<int> minute = 0, second = 0;
  std::int64_t ms = 0;
  if (skip(text, ':')) {
    minute = number(text, 2);
    if (minute && skip(text, ':')) {
      second = number(text, 2);
      if (second && skip(text, '.')) {
        for (int unit = 100; !text.empty() && text[0] >= '0' && text[0] <= '9'; unit /= 10) ms += unit * *number(text, 1);
      }
    }
  }
  if (!hour || !minute || !second || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  return ((*hour * 60 + *minute) * 60 + *second) * 1000LL + ms;
}

// Z, +hh, +hhmm, +hh:mm or nothing: minutes east.
std::optional<int> zone(std::string_view& text) {
  if (text.empty() || skip(text, 'Z')) return 0;
  bool west = text[0] == '-';
  if (!west && text[0] != '+') return std::nullopt;
  text.remove_prefix(1);
  auto hours = number(text, 2);
  std::optional<int> minutes = 0;
  if (skip(text, ':') || !text.empty()) minutes = number(text, 2);
  if (!hours || !minutes) return std::nullopt;
  return (west ? -1 : 1) * (*hours * 60 + *minutes);
}

}  // namespace

std::optional<std::int64_t> parse_date(std::string_view text) {
  auto result = days(text);
  return text.empty() ? result : std::nullopt;
}

std::optional<std::int64_t> parse_time(std::string_view text) {
  auto result = clock(text);
  return text.empty() ? result : std::nullopt;
}

std::optional<std::int64_t> parse_timestamp(std::string_view text) {
  auto day = days(text);
  if (!day) return std::nullopt;
  std::optional<std::int64_t> of_day = 0;
  if (skip(text, 'T') || skip(text, ' ')) of_day = clock(text);
  if (!of_day) return std::nullopt;
  auto east = zone(text);
  if (!east || !text.empty()) return std::nullopt;
  return *day * 86'400'000 + *of_day - *east * 60'000;
}

}  // namespace tidemill::sql
