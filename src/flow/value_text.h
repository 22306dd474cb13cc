// Single values as text and back, the way Java prints and reads them, because that is what ksqlDB's users see: doubles as
// Double.toString has them, ISO dates and times, Base64. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "record/types.h"

namespace tidemill::flow {

// 1.0, 1.0E10, 1.0E-5, NaN, Infinity: shortest digits that read back, laid out as Java does.
void append_double(std::string& out, double v);
void append_decimal(std::string& out, __int128 unscaled, int scale);
void append_base64(std::string& out, std::string_view bytes);
std::optional<std::string> base64_bytes(std::string_view text);

void append_date(std::string& out, std::int64_t days);            // 2026-11-21
void append_time(std::string& out, std::int64_t ms_of_day);       // 12:30 or 12:30:05
void append_timestamp(std::string& out, std::int64_t ms);         // 2026-11-21T12:30:05.000
std::optional<std::int64_t> parse_date(std::string_view text);    // days
std::optional<std::int64_t> parse_time(std::string_view text);    // ms of the day
// yyyy[-MM[-dd[THH[:mm[:ss[.SSS]]]]]] and an optional Z or numeric offset; UTC without one.
std::optional<std::int64_t> parse_timestamp(std::string_view text);

struct CivilDate { std::int64_t year; int month; int day; };
CivilDate civil_of_days(std::int64_t days);
std::int64_t days_of_civil(std::int64_t year, int month, int day);

// Whole text, no blanks: [+-]digits within the bounds.
std::optional<std::int64_t> parse_whole(std::string_view text, std::int64_t low, std::int64_t high);
std::optional<double> parse_double(std::string_view text);  // no NaN, no Infinity

enum class Excess : std::uint8_t { refuse, half_up };  // digits beyond the scale
// Plain or with an exponent; nothing when it is not a number or does not fit.
std::optional<__int128> parse_decimal(std::string_view text, int precision, int scale, Excess excess);

__int128 power_of_ten(int exponent);  // 0..38
bool fits(__int128 unscaled, int precision);
// `from` to `to` decimal places; halves away from zero. Nothing on overflow.
std::optional<__int128> rescale(__int128 unscaled, int from, int to, Excess excess);

// A JSON string literal with its quotes.
void append_json_string(std::string& out, std::string_view text);

bool valid_utf8(std::string_view text);

}  // namespace tidemill::flow
