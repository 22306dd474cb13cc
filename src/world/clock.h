// The doors to time and chance. Real ones in world/real.h; simulated ones, which a test steps by hand, in world/simulated.h.
#pragma once

#include <cstdint>

namespace tidemill::world {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t now_ms() = 0;        // wall clock, milliseconds since 1970; may step
  virtual std::int64_t monotonic_ns() = 0;  // never goes back; for intervals only
};

class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;
};

}  // namespace tidemill::world
