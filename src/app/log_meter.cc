#include "app/log_meter.h"

#include "observe/log.h"
#include "observe/metrics.h"

namespace tidemill::app {

struct LogMeter::Inside : std::enable_shared_from_this<Inside> {
  Inside(const log::EmbeddedLog& l, world::Loop& on) : log(&l), loop(on) {}

  void carry() {
    std::lock_guard hold(mutex);
    if (!log) return;
    auto now = log->counters();
    auto& m = observe::metrics();
    m.counter("tidemill_log_appended_bytes_total").add(now.bytes - last.bytes);
    m.counter("tidemill_log_appended_records_total").add(now.records - last.records);
    m.counter("tidemill_log_groups_total").add(now.groups - last.groups);
    m.counter("tidemill_log_refused_total", {{"reason", "full"}}).add(now.refused_full - last.refused_full);
    m.counter("tidemill_log_refused_total", {{"reason", "other"}}).add((now.refused - now.refused_full) - (last.refused - last.refused_full));
    m.gauge("tidemill_log_durable_jsn").set(static_cast<double>(log->durable_jsn().value));
    last = now;
    carry_keeping();
    tell(log->refusing());
    loop.run_after(std::chrono::seconds(1), [self = shared_from_this()] { self->carry(); });
  }

  void carry_keeping() {
    auto now = log->keeping();
    auto& m = observe::metrics();
    m.counter("tidemill_log_sorted_files_total").add(now.files_sorted - last_keeping.files_sorted);
    m.counter("tidemill_log_merged_segments_total").add(now.segments_merged - last_keeping.segments_merged);
    m.counter("tidemill_log_compacted_records_total").add(now.records_compacted - last_keeping.records_compacted);
    m.counter("tidemill_log_trimmed_streams_total").add(now.streams_trimmed - last_keeping.streams_trimmed);
    m.counter("tidemill_log_damaged_total").add(now.damaged - last_keeping.damaged);
    m.counter("tidemill_log_keeping_failures_total").add(now.failures - last_keeping.failures);
    m.gauge("tidemill_log_unsorted_bytes").set(static_cast<double>(now.unsorted_bytes));
    m.gauge("tidemill_log_segments").set(static_cast<double>(now.segments));
    m.gauge("tidemill_log_segment_bytes").set(static_cast<double>(now.segment_bytes));
    last_keeping = now;
  }

  void tell(const std::optional<Error>& refusal) {
    if (refusal.has_value() == refusing) return;
    refusing = refusal.has_value();
    if (refusing) log_warn("log.refusing", {{"error.message", refusal->text()}});
    else log_info("log.writing_again", {});
  }

  std::mutex mutex;
  const log::EmbeddedLog* log;  // nullptr once the meter is gone
  world::Loop& loop;
  log::LogCounters last;
  log::Keeping last_keeping;
  bool refusing = false;
};

LogMeter::LogMeter(const log::EmbeddedLog& log, runtime::Shards& shards) : inside_(std::make_shared<Inside>(log, shards.pick().loop)) {
  inside_->loop.post([inside = inside_] { inside->carry(); });
}

LogMeter::~LogMeter() {
  std::lock_guard hold(inside_->mutex);
  inside_->log = nullptr;
}

}  // namespace tidemill::app
