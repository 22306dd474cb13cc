#include "serve/kafka/meter.h"

#include "base/check.h"
#include "wire/kafka/all_messages.h"
#include "wire/kafka/apis.h"

namespace tidemill::serve {

KafkaMeter::KafkaMeter()
    : connections(observe::metrics().gauge("tidemill_kafka_connections")),
      produced_bytes(observe::metrics().counter("tidemill_kafka_produced_bytes_total")),
      produced_records(observe::metrics().counter("tidemill_kafka_produced_records_total")),
      fetched_bytes(observe::metrics().counter("tidemill_kafka_fetched_bytes_total")) {
  for (const auto& api : kafka::apis) {
    auto key = static_cast<std::size_t>(api.key);
    CHECK(key < keys_max, "API key {}", api.key);
    observe::Label label{"api", api.name};
    apis_[key] = {&observe::metrics().counter("tidemill_kafka_requests_total", {label}),
                  &observe::metrics().counter("tidemill_kafka_request_errors_total", {label}),
                  &observe::metrics().histogram("tidemill_kafka_request_duration_seconds", {label})};
  }
}

void KafkaMeter::answered(std::int16_t api_key, bool with_error, std::int64_t ns) const {
  const auto& api = apis_[static_cast<std::size_t>(api_key)];
  api.requests->add();
  if (with_error) api.errors->add();
  api.duration_seconds->observe(static_cast<double>(ns) * 1e-9);
}

KafkaMeter& kafka_meter() {
  static KafkaMeter meter;
  return meter;
}

}  // namespace tidemill::serve
