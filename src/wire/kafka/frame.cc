#include "wire/kafka/frame.h"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

namespace tidemill::kafka {
namespace {

constexpr std::size_t header_bytes_min = 8;  // key, version, correlation id

bool flexible(const Api& api, std::int16_t version) { return version >= api.flexible; }

}  // namespace

Result<std::size_t> frame_length(std::span<const std::byte> first_four, std::size_t frame_bytes_max) {
  auto length = ByteReader(first_four).i32();
  if (length < static_cast<std::int32_t>(header_bytes_min))
    return fail(Code::invalid, fmt::format("a frame of {} bytes is no Kafka request", length));
  auto bytes = static_cast<std::size_t>(length);
  if (bytes > frame_bytes_max)
    return fail(Code::too_large, fmt::format("a request of {} bytes is over the limit of {}", bytes, frame_bytes_max),
                "raise kafka.frame_bytes_max if the client is right");
  return bytes;
}

const Api* find_api(std::int16_t key) {
  auto found = std::ranges::find(apis, key, &Api::key);
  return found == std::end(apis) ? nullptr : found;
}

Result<RequestHeader> read_request_header(Decoder& in) {
  RequestHeader header;
  header.key = in.number<std::int16_t>();
  header.version = in.number<std::int16_t>();
  header.correlation_id = in.number<std::int32_t>();
  auto* api = find_api(header.key);
  if (!in.ok()) return fail(Code::invalid, "a request header is cut short");
  if (!api) return fail(Code::unsupported, fmt::format("unknown API key {} version {}", header.key, header.version));
  header.client_id = in.text_or_null(false);
  if (header.version <= api->highest && flexible(*api, header.version)) in.skip_tags();
  if (!in.ok()) return fail(Code::invalid, fmt::format("the header of a {} request is malformed", api->name));
  return header;
}

void write_request_header(Encoder& out, const RequestHeader& header) {
  out.number(header.key);
  out.number(header.version);
  out.number(header.correlation_id);
  out.text_or_null(header.client_id, false, true);
  auto* api = find_api(header.key);
  if (api && flexible(*api, header.version)) out.tags(Tags());
}

void write_response_header(Encoder& out, const RequestHeader& request) {
  out.number(request.correlation_id);
  auto* api = find_api(request.key);
  if (api && request.key != api_versions_key && flexible(*api, request.version)) out.tags(Tags());
}

std::int32_t read_response_header(Decoder& in, std::int16_t key, std::int16_t version) {
  auto id = in.number<std::int32_t>();
  auto* api = find_api(key);
  if (api && key != api_versions_key && flexible(*api, version)) in.skip_tags();
  return id;
}

const ErrorText* find_error(std::int16_t code) {
  auto found = std::ranges::find(error_texts, code, &ErrorText::code);
  return found == std::end(error_texts) ? nullptr : found;
}

std::string_view error_name(std::int16_t code) {
  auto* found = find_error(code);
  return found ? found->name : "UNKNOWN";
}

}  // namespace tidemill::kafka
