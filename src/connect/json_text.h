// Appending JSON by hand, for hot paths: no document is built, one string grows. Escapes exactly what JSON demands.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tidemill::connect {

// With the quotes. `text` is UTF-8 and passes as it is, but for quotes, backslashes and control characters.
void append_json_string(std::string& out, std::string_view text);
// The escaped characters alone.
void append_json_escaped(std::string& out, std::string_view text);
void append_json_number(std::string& out, std::int64_t number);
// Base64 with padding, without quotes.
void append_base64(std::string& out, std::span<const std::byte> bytes);

std::string json_string(std::string_view text);

}  // namespace tidemill::connect
