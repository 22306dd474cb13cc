// Seats: how many connections all listeners together may have. The problem: each of them has its own limit, and a crowd at one takes
// the descriptors that the log needs for its next file. Refused by count, a connection harms nobody.
#pragma once

#include <atomic>
#include <cstddef>

namespace tidemill::runtime {

// Thread-safe. Outlives those who sit.
class Seats {
 public:
  explicit Seats(std::size_t max) : max_(max) {}

  bool take() {
    if (taken_.fetch_add(1, std::memory_order_relaxed) < max_) return true;
    leave();
    return false;
  }
  void leave() { taken_.fetch_sub(1, std::memory_order_relaxed); }
  std::size_t max() const { return max_; }
  std::size_t taken() const { return taken_.load(std::memory_order_relaxed); }

 private:
  const std::size_t max_;
  std::atomic<std::size_t> taken_ = 0;
};

}  // namespace tidemill::runtime
