// Exact decimals as Kafka Connect writes them: the unscaled number, two's complement, big-endian, as few bytes as hold it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tidemill::connect::postgres {

// "-12.50" at scale 2 is -1250. Digits beyond the scale are cut off. Nothing for NaN, Infinity and what is not a number.
std::optional<std::string> unscaled_bytes(std::string_view text, int scale);

// How many digits stand behind the point.
int scale_of(std::string_view text);

}  // namespace tidemill::connect::postgres
