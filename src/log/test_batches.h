// Batches and a clock for tests of logs; nothing here is linked into the product.
#pragma once

#include <atomic>
#include <string>

#include "log/log.h"
#include "record/batch.h"
#include "world/clock.h"

namespace tidemill::log {

struct ManualClock : world::Clock {
  std::atomic<std::int64_t> ms = 1'700'000'000'000;
  std::int64_t now_ms() override { return ms; }
  std::int64_t monotonic_ns() override { return ms * 1'000'000; }
};

inline Slice batch_of(int records, std::string_view value, std::int64_t time_ms = 1000) {
  record::BatchBuilder builder;
  for (int i = 0; i < records; ++i) builder.add(time_ms, std::nullopt, value);
  return builder.finish();
}

inline Slice idempotent(int records, std::int64_t producer, std::int16_t epoch, std::int32_t sequence, std::string_view value = "v") {
  record::BatchBuilder builder;
  for (int i = 0; i < records; ++i) builder.add(1000, std::nullopt, value);
  builder.producer(producer, epoch, sequence);
  return builder.finish();
}

inline Append one(StreamId stream, Slice batch, Durability durability = Durability::synced) {
  Append append;
  append.entries.push_back({default_tenant, stream, std::move(batch)});
  append.durability = durability;
  return append;
}

}  // namespace tidemill::log
