// GrowingFrame: memory of a request that is being received. It grows with what comes, not with what was announced.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "base/check.h"
#include "bytes/slice.h"

namespace tidemill::serve {

class GrowingFrame {
 public:
  explicit GrowingFrame(std::size_t length) : length_(length) {}

  std::size_t got() const { return got_; }
  bool whole() const { return got_ == length_; }
  // At most as much more as has come, and something at the beginning: what may come into room().
  std::size_t next_step() const { return std::min(length_ - got_, std::clamp(got_, least, most)); }

  // Where the next `bytes` may come. realloc moves pages, not bytes, where the memory is large.
  std::span<std::byte> room(std::size_t bytes) {
    CHECK(got_ + bytes <= length_);
    if (got_ + bytes > size_) {
      size_ = std::min(length_, std::max(got_ + bytes, 2 * size_));
      auto* larger = static_cast<std::byte*>(std::realloc(memory_.get(), size_));
      CHECK(larger, "no memory for {} bytes of a request", size_);
      (void)memory_.release();
      memory_.reset(larger);
    }
    return {memory_.get() + got_, bytes};
  }
  void came(std::size_t bytes) { got_ += bytes; }

  Slice take() {
    CHECK(whole());
    std::span<const std::byte> bytes(memory_.get(), length_);
    return Slice(std::shared_ptr<const void>(std::move(memory_)), bytes);
  }

 private:
  static constexpr std::size_t least = 4 * 1024, most = 1 << 20;
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::size_t length_;
  std::size_t got_ = 0, size_ = 0;
  std::unique_ptr<std::byte, Free> memory_;
};

}  // namespace tidemill::serve
