// The codecs of Kafka's record batches. lz4 is the frame format (LZ4F), snappy is raw or the xerial framing that Java
// clients write (both are read; xerial is what is written), gzip and zstd are as their RFCs have them.
#pragma once

#include <string>

#include "base/result.h"
#include "bytes/slice.h"

namespace tidemill {

enum class Codec : std::uint8_t { none = 0, gzip = 1, snappy = 2, lz4 = 3, zstd = 4 };

// Fails with Code::too_large before more than `size_max` bytes are produced, Code::corrupt when the input is not of the codec.
Result<std::string> decompress(Codec codec, std::span<const std::byte> input, std::size_t size_max);
Result<std::string> compress(Codec codec, std::span<const std::byte> input);

}  // namespace tidemill
