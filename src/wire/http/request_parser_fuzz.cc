// Any bytes, cut anywhere: no crash, no endless loop, limits kept; and the cuts do not change which requests are read. They may change
// when a broken header is refused: with all of it at hand that is sometimes seen before its end has come.
#include "base/check.h"
#include "wire/http/request_parser.h"

namespace {

using namespace tidemill;

constexpr http::RequestLimits limits{.header_bytes_max = 2048, .body_bytes_max = 4096};

std::string all_of(std::string_view bytes, std::size_t step) {
  http::RequestParser parser(limits);
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    parser.feed(as_bytes(bytes.substr(at, step)));
    for (;;) {
      auto request = parser.next();
      if (!request) return out;
      if (!*request) break;
      CHECK((*request)->body.size() <= limits.body_bytes_max);
      out.append((*request)->method).append(" ").append((*request)->raw_path).append("\n").append((*request)->body.text()).append("\n");
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto whole = all_of(bytes, bytes.size() + 1);
  auto cut = all_of(bytes, 1 + data[0] % 16);
  CHECK(whole == cut, "whole: {} cut: {}", whole, cut);
  return 0;
}
