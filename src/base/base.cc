#include <cstdio>
#include <cstdlib>

#include "base/check.h"
#include "base/result.h"

namespace tidemill {

std::string_view code_name(Code code) {
  switch (code) {
    case Code::invalid: return "invalid";
    case Code::not_found: return "not_found";
    case Code::already_exists: return "already_exists";
    case Code::corrupt: return "corrupt";
    case Code::too_large: return "too_large";
    case Code::unsupported: return "unsupported";
    case Code::out_of_range: return "out_of_range";
    case Code::out_of_order: return "out_of_order";
    case Code::fenced: return "fenced";
    case Code::full: return "full";
    case Code::unavailable: return "unavailable";
    case Code::refused: return "refused";
    case Code::cancelled: return "cancelled";
    case Code::io: return "io";
    case Code::busy: return "busy";
    case Code::internal: return "internal";
  }
  return "unknown";
}

void check_failed(const char* file, int line, const char* what, const std::string& detail) {
  std::fprintf(stderr, "tidemill: %s:%d: check failed: %s %s\n", file, line, what, detail.c_str());
  std::fflush(stderr);
  std::abort();
}

}  // namespace tidemill
