// What /metrics says of the Kafka port. One for the process; the numbers are shared by all listeners.
#pragma once

#include <array>
#include <cstdint>

#include "observe/metrics.h"

namespace tidemill::serve {

class KafkaMeter {
 public:
  KafkaMeter();

  // One request answered, `ns` after all of it had come.
  void answered(std::int16_t api_key, bool with_error, std::int64_t ns) const;

  observe::Gauge& connections;
  observe::Counter& produced_bytes;  // acknowledged or, with acks=0, stored
  observe::Counter& produced_records;
  observe::Counter& fetched_bytes;

 private:
  struct Api {
    observe::Counter* requests = nullptr;
    observe::Counter* errors = nullptr;
    observe::Histogram* duration_seconds = nullptr;
  };
  static constexpr std::size_t keys_max = 128;
  std::array<Api, keys_max> apis_{};  // by key; empty where there is no such API
};

KafkaMeter& kafka_meter();

}  // namespace tidemill::serve
