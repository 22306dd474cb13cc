#include <fmt/core.h>
#include <sys/random.h>
#include <time.h>

#include "base/check.h"
#include "world/real.h"

namespace tidemill::world {
namespace {

std::int64_t read_clock_ns(clockid_t which) {
  timespec t{};
  CHECK(clock_gettime(which, &t) == 0);
  return static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

class RealClock final : public Clock {
 public:
  std::int64_t now_ms() override { return read_clock_ns(CLOCK_REALTIME) / 1'000'000; }
  std::int64_t monotonic_ns() override { return read_clock_ns(CLOCK_MONOTONIC); }
};

// One buffer per thread, so that a number costs a system call only every 32nd time.
class RealRandom final : public Random {
 public:
  std::uint64_t next() override {
    thread_local std::array<std::uint64_t, 32> numbers;
    thread_local std::size_t left = 0;
    if (left == 0) {
      CHECK(getrandom(numbers.data(), sizeof numbers, 0) == static_cast<ssize_t>(sizeof numbers), "errno {}", errno);
      left = numbers.size();
    }
    return std::exchange(numbers[--left], 0);
  }
};

}  // namespace

Clock& real_clock() {
  static RealClock clock;
  return clock;
}

Random& real_random() {
  static RealRandom random;
  return random;
}

}  // namespace tidemill::world
