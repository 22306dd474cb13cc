// CHECK: what must be true. Stays on in release; a failed one prints the values and ends the process at once, because a
// program that has caught itself in a mistake must not go on writing.
#pragma once

#include <fmt/core.h>

#include <string>

namespace tidemill {
[[noreturn]] void check_failed(const char* file, int line, const char* what, const std::string& detail);
}

#define CHECK(condition, ...)                                                                   \
  do {                                                                                          \
    if (!(condition)) [[unlikely]]                                                              \
      ::tidemill::check_failed(__FILE__, __LINE__, #condition, ::fmt::format("" __VA_ARGS__)); \
  } while (0)
