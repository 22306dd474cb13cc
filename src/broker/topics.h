// Topics in the terms of the catalogue: make, remove, look up, make on demand.
#pragma once

#include <vector>

#include "broker/broker.h"
#include "broker/topic_configs.h"
#include "world/task.h"

namespace tidemill::broker {

using world::Task;

struct NewTopic {
  std::string name;
  std::int32_t partitions = -1;   // -1: the default
  std::int32_t replicas = -1;     // -1 or 1: there is one copy
  Configs configs;
};

struct TopicAnswer {
  Refusal refusal;
  TopicRef topic;  // set unless refused; null as well after a mere check
};

// What is wrong with making this topic, before anything is made.
Refusal check_new_topic(const Broker& broker, TenantId tenant, const NewTopic& wanted);

// Ends when the topic is durable. Two who make the same topic at once: one gets TOPIC_ALREADY_EXISTS.
Task<TopicAnswer> create_topic(Broker& broker, world::Loop& loop, TenantId tenant, NewTopic wanted);

Task<Refusal> delete_topic(Broker& broker, world::Loop& loop, TenantId tenant, std::string name);

// The topic; made with the defaults when it is missing and `may_create` and the settings allow it.
Task<TopicAnswer> find_or_create_topic(Broker& broker, world::Loop& loop, TenantId tenant, std::string name, bool may_create);

}  // namespace tidemill::broker
