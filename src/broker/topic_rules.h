// What a topic's settings come to: its own values over the server's over Kafka's defaults. Read from text at each use, which is cheap because
// few topics have more than a handful of their own.
#pragma once

#include "broker/broker.h"
#include "log/policy.h"

namespace tidemill::broker {

struct TopicRules {
  bool compacted = false;  // cleanup.policy
  bool deletes = true;
  std::int64_t retention_ms = -1, retention_bytes = -1;
  std::int64_t delete_retention_ms = 0;
  std::int64_t min_compaction_lag_ms = 0, max_compaction_lag_ms = 0;
  double min_cleanable_dirty_ratio = 0.5;
  std::size_t message_bytes_max = 0;
  bool log_append_time = false;
  std::int64_t timestamp_before_max_ms = 0, timestamp_after_max_ms = 0;
  // flush.messages and flush.ms. A topic's own value that puts the sync off means that an answer does not wait for it; one that asks for
  // a sync each time wins over it. Kafka's own defaults, which say "never", say nothing here.
  bool sync_asked = false, sync_put_off = false;
  bool synced() const { return sync_asked || !sync_put_off; }
};

TopicRules rules_of(const Settings& settings, const catalog::Topic& topic);
// The same for a topic that is about to be made.
TopicRules rules_of(const Settings& settings, const std::map<std::string, std::string>& configs);

// What the log is told. Of the system's own streams, and of those that nobody knows, everything is kept for ever.
log::Policies policies_of(const catalog::Catalog& catalog, const Settings& settings);

}  // namespace tidemill::broker
