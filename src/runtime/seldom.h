// Seldom: for warnings that clients can cause as often as they like. One goes out per interval; the others are counted and told with the next.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>

namespace tidemill::runtime {

// Thread-safe.
class Seldom {
 public:
  explicit Seldom(std::chrono::nanoseconds interval) : interval_ns_(interval.count()) {}

  // Says whether it may be said now, and if so how many times it was not since the last time.
  std::optional<std::uint64_t> now(std::int64_t now_ns) {
    std::lock_guard hold(mutex_);
    if (said_ && now_ns - said_ns_ < interval_ns_) {
      ++unsaid_;
      return std::nullopt;
    }
    said_ = true;
    said_ns_ = now_ns;
    return std::exchange(unsaid_, 0);
  }

 private:
  const std::int64_t interval_ns_;
  std::mutex mutex_;
  bool said_ = false;
  std::int64_t said_ns_ = 0;
  std::uint64_t unsaid_ = 0;
};

}  // namespace tidemill::runtime
