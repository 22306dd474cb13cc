// The field types of Kafka messages, read and written. The generated messages are made of these calls.
//
// A Decoder works inside one frame and never past it: the first impossible length makes it failed, and sizes are compared with
// what is left of the frame before anything is allocated. Strings and records it hands out lie in the frame.
// An Encoder collects one frame; record batches go into it by reference and leave by a gather write, never copied when large.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "bytes/cursor.h"
#include "bytes/slice.h"

namespace tidemill::kafka {

// An id of 16 bytes; all zero means "none".
struct Uuid {
  std::uint64_t high = 0, low = 0;
  auto operator<=>(const Uuid&) const = default;
};

// The record batches of one partition, in order. A batch from the log carries the first 16 bytes that replace its own (base
// offset, length, leader epoch), because the stored ones mean nothing.
struct Records {
  static constexpr std::size_t prefix_bytes = 16;
  struct Part {
    std::array<std::byte, prefix_bytes> prefix{};
    bool has_prefix = false;
    Slice bytes;  // without the part that `prefix` replaces
    std::size_t size() const { return bytes.size() + (has_prefix ? prefix_bytes : 0); }
  };
  std::vector<Part> parts;

  void add(Slice bytes);
  void add_stored(Slice batch, Offset base, std::int32_t leader_epoch);
  std::size_t size() const;
  // All of it in one piece; copies unless it is one part already.
  Slice whole() const;
};

inline std::optional<std::string> owned(std::optional<std::string_view> text) {
  return text ? std::optional<std::string>(*text) : std::nullopt;
}

class Decoder {
 public:
  // Every array element of a request counts against this, so that a frame of tiny elements cannot fill the memory.
  static constexpr std::size_t elements_max = 1u << 20;

  explicit Decoder(Slice frame) : frame_(std::move(frame)), in_(frame_.bytes()) {}

  bool ok() const { return in_.ok(); }
  std::size_t position() const { return in_.position(); }
  std::size_t remaining() const { return in_.remaining(); }
  Error error(std::string_view message, std::int16_t version) const;

  template <class T>
  T number() { return in_.be<T>(); }
  bool boolean() { return in_.i8() != 0; }
  Uuid uuid();
  std::string_view text(bool flexible) { return text_or_null(flexible).value_or(std::string_view()); }
  std::optional<std::string_view> text_or_null(bool flexible);
  Records records(bool flexible) { return records_or_null(flexible).value_or(Records()); }
  std::optional<Records> records_or_null(bool flexible);
  // How many elements follow, -1 for null. `least` is the fewest bytes one can take.
  std::int64_t count(bool flexible, std::size_t least);
  std::size_t count_or_empty(bool flexible, std::size_t least);
  // Tagged fields: `read(tag)` reads the value and says true, or false to skip it.
  template <class Read>
  void tags(Read&& read) {
    for (auto left = tag_count(); left > 0 && ok(); --left) {
      auto tag = in_.uvarint();
      auto end = tag_end();
      if (!ok()) return;
      if (!read(tag)) in_.skip(end - in_.position());
      if (in_.position() != end) in_.fail();
    }
  }
  void skip_tags() { tags([](std::uint32_t) { return false; }); }

 private:
  std::int64_t length(bool flexible, bool wide);
  std::uint32_t tag_count();
  std::size_t tag_end();

  Slice frame_;
  ByteReader in_;
  std::size_t elements_left_ = elements_max;
};

class Tags;

class Encoder {
 public:
  template <class T>
  void number(T v) { out_.be(v); }
  void boolean(bool v) { out_.i8(v); }
  void uuid(const Uuid& v) { out_.u64(v.high); out_.u64(v.low); }
  // Outside flexible versions a string has at most 32767 bytes; a longer one (an error that quotes a name) is clipped.
  void text(std::string_view v, bool flexible);
  // `null_allowed` is false in versions that have no null there: an empty value goes out instead.
  template <class Text>
  void text_or_null(const std::optional<Text>& v, bool flexible, bool null_allowed) {
    if (v || !null_allowed) text(v ? std::string_view(*v) : std::string_view(), flexible);
    else null_text(flexible);
  }
  void records(const Records& v, bool flexible);
  void records_or_null(const std::optional<Records>& v, bool flexible, bool null_allowed);
  // The length of an array; null only where a version knows it, else empty.
  template <class Array>
  void count(const Array* array, bool flexible, bool null_allowed) {
    length(array ? static_cast<std::int64_t>(array->size()) : null_allowed ? -1 : 0, flexible, true);
  }
  void tags(const Tags& tags);

  // Bytes of the frame so far, batches included.
  std::size_t size() const { return out_.size() + cut_bytes_; }
  // The frame behind its four bytes of length, as parts for one gather write. The encoder is spent.
  std::vector<Slice> take_framed();
  // The frame without its length, in one piece: for tests and clients.
  std::string take_body();

 private:
  friend class Tags;
  void length(std::int64_t n, bool flexible, bool wide);
  void null_text(bool flexible) { length(-1, flexible, false); }
  std::vector<Slice> cut_up(Slice text) const;

  struct Cut { std::size_t at; Slice bytes; };  // `bytes` go in before out_[at]
  ByteWriter out_;
  std::vector<Cut> cuts_;
  std::size_t cut_bytes_ = 0;
};

// Tagged fields of one struct, in the order of their numbers.
class Tags {
 public:
  Encoder& add(std::uint32_t tag) { return tags_.emplace_back(tag, Encoder()).second; }

 private:
  friend class Encoder;
  std::deque<std::pair<std::uint32_t, Encoder>> tags_;
};

}  // namespace tidemill::kafka
