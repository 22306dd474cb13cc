// Requests and responses as they stand on the connection: four bytes of length, a header, the message.
//
//   request:  key i16 | version i16 | correlation id i32 | client id nullable string | tagged fields if flexible
//   response: correlation id i32 | tagged fields if flexible (never for ApiVersions, whose reader cannot know the version yet)
#pragma once

#include "wire/kafka/apis.h"
#include "wire/kafka/codec.h"
#include "wire/kafka/errors.h"

namespace tidemill::kafka {

struct RequestHeader {
  std::int16_t key = -1;
  std::int16_t version = 0;
  std::int32_t correlation_id = 0;
  std::optional<std::string_view> client_id;  // lies in the frame
};

// The length in a frame's first four bytes. Code::invalid below the smallest header, Code::too_large above `frame_bytes_max`:
// both are found before a byte of the frame is read or room made for it.
Result<std::size_t> frame_length(std::span<const std::byte> first_four, std::size_t frame_bytes_max);

// nullptr when this server has no such API.
const Api* find_api(std::int16_t key);

// Reads the header and leaves `in` at the message. For a version outside the API's range the header is read as far as it can be
// known (client id included, tagged fields not), so that ApiVersions can be answered. Code::unsupported for an unknown key.
Result<RequestHeader> read_request_header(Decoder& in);

void write_request_header(Encoder& out, const RequestHeader& header);
void write_response_header(Encoder& out, const RequestHeader& request);
// The correlation id of a response; for clients and tests.
std::int32_t read_response_header(Decoder& in, std::int16_t key, std::int16_t version);

const ErrorText* find_error(std::int16_t code);
std::string_view error_name(std::int16_t code);

}  // namespace tidemill::kafka
