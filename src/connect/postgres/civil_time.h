// Dates and times as PostgreSQL prints them (DateStyle ISO, TimeZone UTC), read into numbers.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace tidemill::connect::postgres {

// What stands for `infinity` and `-infinity` in numeric fields: the values that the PostgreSQL JDBC driver gives, which consumers
// of change events know.
inline constexpr std::int64_t infinity_date = std::numeric_limits<std::int32_t>::max();
inline constexpr std::int64_t minus_infinity_date = std::numeric_limits<std::int32_t>::min();
inline constexpr std::int64_t infinity_us = 9'223'372'036'825'200'000;
inline constexpr std::int64_t minus_infinity_us = -9'223'372'036'832'400'000;
inline constexpr std::int64_t day_us = 86'400'000'000;

std::optional<std::int64_t> parse_date(std::string_view text);       // days since 1970
std::optional<std::int64_t> parse_time(std::string_view text);       // microseconds since midnight; 24:00:00 is one day
std::optional<std::int64_t> parse_timestamp(std::string_view text);  // microseconds since 1970; a zone behind it is honoured

// 2016-11-04T11:51:30.123456Z with `digits` (0 to 6) behind the point; years past 9999 get a plus sign.
void append_iso_instant(std::string& out, std::int64_t us, int digits);
// "13:51:30.123789+02" as 11:51:30.123789Z: the time of day in UTC, no digits that are not needed. False when it is not a time.
bool append_iso_zoned_time(std::string& out, std::string_view text);

}  // namespace tidemill::connect::postgres
