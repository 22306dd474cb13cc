// What the log counts since it was opened. Cells are written by the log core and read by anybody.
#pragma once

#include <atomic>
#include <cstdint>

namespace tidemill::log {

struct LogCounters {
  std::uint64_t groups = 0;
  std::uint64_t syncs = 0;
  std::uint64_t sync_ns_sum = 0;
  std::uint64_t bytes = 0;  // written to the journal, padding included
  std::uint64_t appends = 0;
  std::uint64_t records = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t refused = 0;
  std::uint64_t refused_full = 0;
  std::uint64_t files_sealed = 0;
  std::uint64_t spare_failures = 0;
};

// What went on behind the log's back, and what there is now.
struct Keeping {
  std::uint64_t files_sorted = 0;
  std::uint64_t files_reused = 0;
  std::uint64_t segments_merged = 0;
  std::uint64_t records_compacted = 0;
  std::uint64_t streams_trimmed = 0;
  std::uint64_t damaged = 0;
  std::uint64_t failures = 0;
  std::uint64_t unsorted_bytes = 0;
  std::uint64_t segments = 0;
  std::uint64_t segment_bytes = 0;
};

struct CounterCells {
  using Cell = std::atomic<std::uint64_t>;
  Cell groups{0}, syncs{0}, sync_ns_sum{0}, bytes{0}, appends{0}, records{0}, duplicates{0}, refused{0}, refused_full{0}, files_sealed{0},
      spare_failures{0};

  LogCounters read() const {
    return {groups, syncs, sync_ns_sum, bytes, appends, records, duplicates, refused, refused_full, files_sealed, spare_failures};
  }
};

}  // namespace tidemill::log
