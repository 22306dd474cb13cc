#include <nmmintrin.h>

#include "base/check.h"
#include "bytes/crc32c.h"
#include "bytes/cursor.h"
#include "bytes/slice.h"

namespace tidemill {

Slice Slice::copy(std::span<const std::byte> bytes) { return own(std::string(as_text(bytes))); }
Slice Slice::copy(std::string_view text) { return own(std::string(text)); }

Slice Slice::own(std::string&& text) {
  auto kept = std::make_shared<const std::string>(std::move(text));
  auto bytes = as_bytes(*kept);
  return Slice(std::move(kept), bytes);
}

Slice Slice::borrow(std::string_view text) { return Slice(nullptr, as_bytes(text)); }

Slice Slice::part(std::size_t from, std::size_t count) const {
  CHECK(from <= size() && count <= size() - from, "part [{}, +{}) of {} bytes", from, count, size());
  return Slice(owner_, bytes_.subspan(from, count));
}

std::uint32_t ByteReader::uvarint() {
  std::uint32_t value = 0;
  for (unsigned shift = 0; shift < 35; shift += 7) {
    auto byte = u8();
    if (!ok_) return 0;
    value |= static_cast<std::uint32_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  fail();
  return 0;
}

std::uint64_t ByteReader::uvarint64() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 70; shift += 7) {
    auto byte = u8();
    if (!ok_) return 0;
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  fail();
  return 0;
}

std::span<const std::byte> ByteReader::take(std::size_t count) {
  if (remaining() < count) {
    fail();
    return {};
  }
  auto part = bytes_.subspan(at_, count);
  at_ += count;
  return part;
}

void ByteWriter::uvarint64(std::uint64_t v) {
  while (v >= 0x80) {
    out_.push_back(static_cast<char>(v | 0x80));
    v >>= 7;
  }
  out_.push_back(static_cast<char>(v));
}

std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before) {
  std::uint64_t crc = ~before;
  auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  auto n = bytes.size();
  for (; n >= 8; n -= 8, p += 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    crc = _mm_crc32_u64(crc, word);
  }
  auto low = static_cast<std::uint32_t>(crc);
  for (; n > 0; --n, ++p) low = _mm_crc32_u8(low, *p);
  return ~low;
}

}  // namespace tidemill
