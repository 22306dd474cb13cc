#include "connect/meter.h"

#include <algorithm>

namespace tidemill::connect {

Meter::Meter(const std::string& connector)
    : events_(observe::metrics().counter("tidemill_connect_events_total", {{"connector", connector}})),
      bytes_(observe::metrics().counter("tidemill_connect_event_bytes_total", {{"connector", connector}})),
      restarts_(observe::metrics().counter("tidemill_connect_restarts_total", {{"connector", connector}})),
      lag_seconds_(observe::metrics().gauge("tidemill_connect_lag_seconds", {{"connector", connector}})) {}

void Meter::appended(std::uint64_t records, std::uint64_t bytes, std::int64_t changed_us, std::int64_t now_us) {
  if (records == 0) return;
  events_.add(records);
  bytes_.add(bytes);
  records_.fetch_add(records, std::memory_order_relaxed);
  // Two machines' clocks: never below zero.
  if (changed_us > 0) lag_seconds_.set(static_cast<double>(std::max<std::int64_t>(0, now_us - changed_us)) / 1e6);
}

}  // namespace tidemill::connect
