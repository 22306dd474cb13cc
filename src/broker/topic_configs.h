// The per-topic settings that Kafka clients know (spec/kafka/topic_configs.toml): checked when given, kept with the topic.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "broker/broker.h"
#include "wire/kafka/topic_configs.h"

namespace tidemill::broker {

using Configs = std::map<std::string, std::string>;

const kafka::TopicConfig* find_topic_config(std::string_view name);

// INVALID_CONFIG with the reason when there is no such setting or the value is not one of its values.
Refusal check_topic_config(std::string_view name, std::optional<std::string_view> value);

// What contradicts itself among the settings of one topic, each of which is well by itself.
Refusal check_together(const Settings& settings, const Configs& configs);

// What holds for a topic that does not say: the server's setting, or Kafka's default.
std::string standard_value(const Settings& settings, const kafka::TopicConfig& config);

}  // namespace tidemill::broker
