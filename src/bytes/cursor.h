// Reading and writing numbers in byte strings. ByteReader never reads past its end: after the first short read it is failed
// and every further read gives zero, so a decoder checks ok() once at the end (and sizes before it allocates).
// Big-endian by default (Kafka, PostgreSQL); `_le` forms are for our own disk formats.
#pragma once

#include <bit>
#include <cstring>
#include <string>
#include <type_traits>

#include "bytes/slice.h"

namespace tidemill {

template <class T>
constexpr T byteswap_of(T v) {
  if constexpr (sizeof(T) == 1) return v;
  else return std::byteswap(v);
}

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  explicit ByteReader(std::string_view text) : bytes_(as_bytes(text)) {}

  bool ok() const { return ok_; }
  std::size_t position() const { return at_; }
  std::size_t remaining() const { return bytes_.size() - at_; }
  void fail() { ok_ = false; at_ = bytes_.size(); }

  template <class T>
  T be() { static_assert(std::is_integral_v<T>); return byteswap_of(raw<T>()); }
  template <class T>
  T le() { static_assert(std::is_integral_v<T>); return raw<T>(); }
  std::int8_t i8() { return be<std::int8_t>(); }
  std::uint8_t u8() { return be<std::uint8_t>(); }
  std::int16_t i16() { return be<std::int16_t>(); }
  std::uint16_t u16() { return be<std::uint16_t>(); }
  std::int32_t i32() { return be<std::int32_t>(); }
  std::uint32_t u32() { return be<std::uint32_t>(); }
  std::int64_t i64() { return be<std::int64_t>(); }
  std::uint64_t u64() { return be<std::uint64_t>(); }
  double f64() { return std::bit_cast<double>(be<std::uint64_t>()); }

  // LEB128: unsigned, and zigzag as Kafka's records have it. More than 5 (10) bytes fails.
  std::uint32_t uvarint();
  std::uint64_t uvarint64();
  std::int32_t varint() { auto v = uvarint(); return static_cast<std::int32_t>(v >> 1) ^ -static_cast<std::int32_t>(v & 1); }
  std::int64_t varint64() { auto v = uvarint64(); return static_cast<std::int64_t>(v >> 1) ^ -static_cast<std::int64_t>(v & 1); }

  // The next `count` bytes, pointing into the input.
  std::span<const std::byte> take(std::size_t count);
  std::string_view text(std::size_t count) { return as_text(take(count)); }
  void skip(std::size_t count) { take(count); }

 private:
  template <class T>
  T raw() {
    T v{};
    if (remaining() < sizeof(T)) { fail(); return v; }
    std::memcpy(&v, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return v;
  }
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

class ByteWriter {
 public:
  template <class T>
  void be(T v) { static_assert(std::is_integral_v<T>); raw(byteswap_of(v)); }
  template <class T>
  void le(T v) { static_assert(std::is_integral_v<T>); raw(v); }
  void i8(std::int8_t v) { be(v); }
  void u8(std::uint8_t v) { be(v); }
  void i16(std::int16_t v) { be(v); }
  void u16(std::uint16_t v) { be(v); }
  void i32(std::int32_t v) { be(v); }
  void u32(std::uint32_t v) { be(v); }
  void i64(std::int64_t v) { be(v); }
  void u64(std::uint64_t v) { be(v); }
  void f64(double v) { be(std::bit_cast<std::uint64_t>(v)); }
  void uvarint(std::uint32_t v) { uvarint64(v); }
  void uvarint64(std::uint64_t v);
  void varint(std::int32_t v) { uvarint64((static_cast<std::uint32_t>(v) << 1) ^ static_cast<std::uint32_t>(v >> 31)); }
  void varint64(std::int64_t v) { uvarint64((static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63)); }
  void bytes(std::span<const std::byte> b) { out_.append(as_text(b)); }
  void text(std::string_view t) { out_.append(t); }
  void zeros(std::size_t count) { out_.append(count, '\0'); }

  std::size_t size() const { return out_.size(); }
  std::string_view view() const { return out_; }
  char* at(std::size_t position) { return out_.data() + position; }
  // Overwrites bytes written before: lengths and checksums known only at the end.
  template <class T>
  void patch_be(std::size_t position, T v) { v = byteswap_of(v); std::memcpy(out_.data() + position, &v, sizeof v); }
  template <class T>
  void patch_le(std::size_t position, T v) { std::memcpy(out_.data() + position, &v, sizeof v); }
  void reserve(std::size_t n) { out_.reserve(n); }
  void clear() { out_.clear(); }
  std::string take() { return std::move(out_); }

 private:
  template <class T>
  void raw(T v) { out_.append(reinterpret_cast<const char*>(&v), sizeof v); }
  std::string out_;
};

}  // namespace tidemill
