#include "broker/topics.h"

#include <fmt/core.h>

#include "broker/topic_rules.h"
#include "observe/log.h"

namespace tidemill::broker {
namespace {

// The catalogue's answer to changes, awaited on `loop`.
Task<Result<Jsn>> change(catalog::Catalog& catalog, world::Loop& loop, catalog::Change wanted) {
  world::Once<Result<Jsn>> done(loop);
  std::vector<catalog::Change> changes;
  changes.push_back(std::move(wanted));
  catalog.change(std::move(changes), done.setter());
  co_return co_await done;
}

Refusal check_partitions(const Settings& settings, std::int32_t partitions) {
  if (partitions == -1 || (partitions > 0 && partitions <= settings.partitions_max)) return {};
  if (partitions > settings.partitions_max)
    return {kafka::INVALID_PARTITIONS, fmt::format("{} partitions are more than the {} allowed", partitions, settings.partitions_max)};
  return {kafka::INVALID_PARTITIONS, "Number of partitions must be larger than 0."};
}

Refusal check_configs(const Settings& settings, const Configs& configs) {
  for (const auto& [name, value] : configs)
    if (auto refusal = check_topic_config(name, value)) return refusal;
  return check_together(settings, configs);
}

}  // namespace

Refusal check_new_topic(const Broker& broker, TenantId tenant, const NewTopic& wanted) {
  if (auto name = catalog::check_topic_name(wanted.name); !name) return {kafka::INVALID_TOPIC_EXCEPTION, name.error().text()};
  if (broker.catalog.find_topic(tenant, wanted.name))
    return {kafka::TOPIC_ALREADY_EXISTS, fmt::format("Topic '{}' already exists.", wanted.name)};
  if (auto refusal = check_partitions(broker.settings, wanted.partitions)) return refusal;
  if (wanted.replicas != -1 && wanted.replicas != 1)
    return {kafka::INVALID_REPLICATION_FACTOR, fmt::format("Replication factor {} asked for, but there is one server; use 1 or -1", wanted.replicas)};
  return check_configs(broker.settings, wanted.configs);
}

Task<TopicAnswer> create_topic(Broker& broker, world::Loop& loop, TenantId tenant, NewTopic wanted) {
  if (auto refusal = check_new_topic(broker, tenant, wanted)) co_return TopicAnswer{std::move(refusal), nullptr};
  auto partitions = wanted.partitions == -1 ? broker.settings.partitions_default : wanted.partitions;
  catalog::CreateTopic create{tenant, wanted.name, partitions, std::move(wanted.configs), false};
  auto changed = change(broker.catalog, loop, std::move(create));
  auto done = co_await changed;
  if (!done) co_return TopicAnswer{refusal_of(done.error()), nullptr};
  auto topic = broker.catalog.find_topic(tenant, wanted.name);
  if (!topic) co_return TopicAnswer{{kafka::UNKNOWN_TOPIC_OR_PARTITION, "deleted as soon as it was made"}, nullptr};
  if (!rules_of(broker.settings, *topic).synced())
    log_warn("topic.not_synced", {{"topic", topic->name}, {"hint", "flush.messages or flush.ms puts the sync off: records are acknowledged before they are on disk, and a crash of the machine may lose the last of them"}});
  co_return TopicAnswer{{}, std::move(topic)};
}

Task<Refusal> delete_topic(Broker& broker, world::Loop& loop, TenantId tenant, std::string name) {
  auto topic = broker.catalog.find_topic(tenant, name);
  if (!topic) co_return Refusal{kafka::UNKNOWN_TOPIC_OR_PARTITION, {}};
  if (topic->internal) co_return Refusal{kafka::POLICY_VIOLATION, fmt::format("{} belongs to the system", name)};
  auto changed = change(broker.catalog, loop, catalog::DeleteTopic{tenant, name});
  auto done = co_await changed;
  co_return done ? Refusal{} : refusal_of(done.error());
}

Task<TopicAnswer> find_or_create_topic(Broker& broker, world::Loop& loop, TenantId tenant, std::string name, bool may_create) {
  if (auto topic = broker.catalog.find_topic(tenant, name)) co_return TopicAnswer{{}, std::move(topic)};
  if (auto fits = catalog::check_topic_name(name); !fits) co_return TopicAnswer{{kafka::INVALID_TOPIC_EXCEPTION, {}}, nullptr};
  if (!may_create || !broker.settings.auto_create_topics) co_return TopicAnswer{{kafka::UNKNOWN_TOPIC_OR_PARTITION, {}}, nullptr};
  NewTopic wanted;
  wanted.name = name;
  auto creating = create_topic(broker, loop, tenant, std::move(wanted));
  auto created = co_await creating;
  if (created.refusal.code == kafka::TOPIC_ALREADY_EXISTS) created = TopicAnswer{{}, broker.catalog.find_topic(tenant, name)};
  if (!created.refusal && !created.topic) created.refusal = {kafka::UNKNOWN_TOPIC_OR_PARTITION, {}};
  co_return created;
}

}  // namespace tidemill::broker
