// What one connector has done, counted for /metrics and for the demo's live line. Owned by the connector; written by its thread, read by any.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "observe/metrics.h"

namespace tidemill::connect {

class Meter {
 public:
  explicit Meter(const std::string& connector);

  // These are in the log for good. `changed_us` is when the newest of them happened in the source; 0: not known.
  void appended(std::uint64_t records, std::uint64_t bytes, std::int64_t changed_us, std::int64_t now_us);
  void started_again() { restarts_.add(); }
  std::uint64_t records() const { return records_.load(std::memory_order_relaxed); }

 private:
  observe::Counter& events_;
  observe::Counter& bytes_;
  observe::Counter& restarts_;
  observe::Gauge& lag_seconds_;
  std::atomic<std::uint64_t> records_ = 0;  // of this connector alone: metrics may share a label
};

}  // namespace tidemill::connect
