// Request frames of every API: whatever decodes must encode to something that decodes to the same again.
#include "base/check.h"
#include "wire/kafka/all_messages.h"
#include "wire/kafka/frame.h"

using namespace tidemill;
using namespace tidemill::kafka;

namespace {

template <class Message>
std::optional<std::string> encode_again(Decoder& in, std::int16_t version) {
  auto message = Message::decode(in, version);
  if (!message) return std::nullopt;
  Encoder out;
  message->encode(out, version);
  return out.take_body();
}

template <class Message>
bool check(Decoder& in, std::int16_t version) {
  auto first = encode_again<Message>(in, version);
  if (!first) return false;
  Decoder once_more(Slice::copy(*first));
  auto second = encode_again<Message>(once_more, version);
  CHECK(second == first, "version {} does not encode to itself", version);
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  bool response = data[0] & 1;  // what our own client would read
  Decoder in(Slice::copy(std::span(reinterpret_cast<const std::byte*>(data) + 1, size - 1)));
  auto header = read_request_header(in);
  if (!header) return 0;
  auto* api = find_api(header->key);
  if (header->version < api->lowest || header->version > api->highest) return 0;
  auto visit = [&]<class Message>() { return check<Message>(in, header->version); };
  if (response) with_response(header->key, visit);
  else with_request(header->key, visit);
  return 0;
}
