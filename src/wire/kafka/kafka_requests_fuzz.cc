// Messages of every API in both directions: whatever decodes must encode to something that decodes to the same again.
// Input: direction, API and version (a byte each, taken modulo what there is), then the body. Seeds are the golden bytes.
#include "base/check.h"
#include "wire/kafka/all_messages.h"
#include "wire/kafka/frame.h"

using namespace tidemill;
using namespace tidemill::kafka;

namespace {

template <class Message>
std::optional<std::string> encode_again(Slice body, std::int16_t version) {
  Decoder in(std::move(body));
  auto message = Message::decode(in, version);
  if (!message) return std::nullopt;
  Encoder out;
  message->encode(out, version);
  return out.take_body();
}

template <class Message>
bool check(const Slice& body, std::int16_t version) {
  auto first = encode_again<Message>(body, version);
  if (!first) return false;
  auto second = encode_again<Message>(Slice::copy(*first), version);
  CHECK(second == first, "version {} does not encode to itself", version);
  return true;
}

// The same bytes as a frame's header: found whole or refused, never read past.
void check_header(const Slice& frame) {
  Decoder in(frame);
  if (auto header = read_request_header(in); header && header->client_id) CHECK(header->client_id->size() <= frame.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const auto& api = apis[data[1] % std::size(apis)];
  auto version = static_cast<std::int16_t>(api.lowest + data[2] % (api.highest - api.lowest + 1));
  auto body = Slice::copy(std::span(reinterpret_cast<const std::byte*>(data) + 3, size - 3));
  check_header(body);
  auto visit = [&]<class Message>() { return check<Message>(body, version); };
  if (data[0] & 1) with_response(api.key, visit);
  else with_request(api.key, visit);
  return 0;
}
