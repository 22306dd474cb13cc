// CRC-32C (Castagnoli, RFC 3720), hardware SSE4.2. crc32c(b, crc32c(a)) == crc32c(a + b).
#pragma once

#include <cstdint>
#include <span>

namespace tidemill {
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before = 0);
}
