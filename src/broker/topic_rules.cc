#include "broker/topic_rules.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "wire/kafka/topic_configs.h"

namespace tidemill::broker {
namespace {

constexpr auto never = std::numeric_limits<std::int64_t>::max();

// Values were checked when they were given; one that nobody checked and that is no number changes nothing.
template <class Number>
void read(std::string_view text, Number& out) {
  std::from_chars(text.data(), text.data() + text.size(), out);
}

void read_flush(std::string_view text, std::int64_t at_once, TopicRules& rules) {
  auto value = at_once;
  read(text, value);
  rules.sync_asked |= value <= at_once;
  rules.sync_put_off |= value > at_once && value != never;
}

struct Setter {
  std::string_view name;
  void (*set)(TopicRules& rules, std::string_view value);
};
constexpr Setter setters[] = {
    {"cleanup.policy", [](TopicRules& r, std::string_view v) { r.compacted = v.contains("compact"), r.deletes = v.contains("delete"); }},
    {"delete.retention.ms", [](TopicRules& r, std::string_view v) { read(v, r.delete_retention_ms); }},
    {"flush.messages", [](TopicRules& r, std::string_view v) { read_flush(v, 1, r); }},
    {"flush.ms", [](TopicRules& r, std::string_view v) { read_flush(v, 0, r); }},
    {"max.compaction.lag.ms", [](TopicRules& r, std::string_view v) { read(v, r.max_compaction_lag_ms); }},
    {"max.message.bytes", [](TopicRules& r, std::string_view v) { read(v, r.message_bytes_max); }},
    {"message.timestamp.after.max.ms", [](TopicRules& r, std::string_view v) { read(v, r.timestamp_after_max_ms); }},
    {"message.timestamp.before.max.ms", [](TopicRules& r, std::string_view v) { read(v, r.timestamp_before_max_ms); }},
    {"message.timestamp.type", [](TopicRules& r, std::string_view v) { r.log_append_time = v == "LogAppendTime"; }},
    {"min.cleanable.dirty.ratio", [](TopicRules& r, std::string_view v) { read(v, r.min_cleanable_dirty_ratio); }},
    {"min.compaction.lag.ms", [](TopicRules& r, std::string_view v) { read(v, r.min_compaction_lag_ms); }},
    {"retention.bytes", [](TopicRules& r, std::string_view v) { read(v, r.retention_bytes); }},
    {"retention.ms", [](TopicRules& r, std::string_view v) { read(v, r.retention_ms); }},
};

void apply(TopicRules& rules, std::string_view name, std::string_view value) {
  auto setter = std::ranges::find(setters, name, &Setter::name);
  if (setter != std::end(setters)) setter->set(rules, value);
}

TopicRules read_standard() {
  TopicRules rules;
  for (auto& config : kafka::topic_configs) apply(rules, config.name, config.standard);
  rules.sync_asked = rules.sync_put_off = false;  // only a topic's own word counts
  return rules;
}

log::Policy policy_of(const TopicRules& rules) {
  log::Policy policy;
  policy.compact = rules.compacted;
  if (rules.deletes) policy.retention_ms = rules.retention_ms, policy.retention_bytes = rules.retention_bytes;
  policy.min_cleanable_dirty_ratio = rules.min_cleanable_dirty_ratio;
  policy.min_compaction_lag_ms = rules.min_compaction_lag_ms;
  policy.max_compaction_lag_ms = rules.max_compaction_lag_ms;
  policy.delete_retention_ms = rules.delete_retention_ms;
  return policy;
}

}  // namespace

TopicRules rules_of(const Settings& settings, const std::map<std::string, std::string>& configs) {
  static const TopicRules standard = read_standard();
  auto rules = standard;
  rules.retention_ms = settings.retention_ms;
  rules.retention_bytes = settings.retention_bytes;
  rules.delete_retention_ms = settings.delete_retention_ms;
  rules.message_bytes_max = settings.message_bytes_max;
  for (auto& [name, value] : configs) apply(rules, name, value);
  return rules;
}

TopicRules rules_of(const Settings& settings, const catalog::Topic& topic) { return rules_of(settings, topic.configs); }

log::Policies policies_of(const catalog::Catalog& catalog, const Settings& settings) {
  return [&catalog, settings](StreamId stream) {
    auto topic = stream < catalog::first_free_stream ? nullptr : catalog.topic_of(stream);
    return topic && !topic->internal ? policy_of(rules_of(settings, *topic)) : log::Policy{};
  };
}

}  // namespace tidemill::broker
