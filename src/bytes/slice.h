// Slice: an immutable run of bytes that shares ownership of the memory it lies in. Copying a Slice copies a pointer, never
// bytes; it is how a record batch travels from the socket to the journal and back out without being copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace tidemill {

class Slice {
 public:
  Slice() = default;
  // Copies `bytes` into memory of its own.
  static Slice copy(std::span<const std::byte> bytes);
  static Slice copy(std::string_view text);
  // Takes the string's memory; no copy beyond the move.
  static Slice own(std::string&& text);
  // Points into memory kept alive by `owner`.
  Slice(std::shared_ptr<const void> owner, std::span<const std::byte> bytes) : owner_(std::move(owner)), bytes_(bytes) {}
  // Points to memory that outlives every use (string literals, a caller's buffer during a call).
  static Slice borrow(std::string_view text);

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::byte* data() const { return bytes_.data(); }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  std::string_view text() const { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }

  // The part [from, from + count), sharing ownership. CHECKs the range.
  Slice part(std::size_t from, std::size_t count) const;
  Slice from(std::size_t start) const { return part(start, size() - start); }

 private:
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> bytes_;
};

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace tidemill
