#include "connect/postgres/pgoutput.h"

// Whatever bytes come, the decoder answers without reading outside them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static tidemill::connect::postgres::Message message;
  (void)tidemill::connect::postgres::decode_pgoutput({reinterpret_cast<const std::byte*>(data), size}, message).has_value();
  return 0;
}
