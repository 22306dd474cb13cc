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

// What holds for the topic: its own value or the default.
std::string_view topic_config(const catalog::Topic& topic, std::string_view name);
std::int64_t topic_config_number(const catalog::Topic& topic, std::string_view name);
bool compacted(const catalog::Topic& topic);
bool deletes(const catalog::Topic& topic);  // cleanup.policy has delete

}  // namespace tidemill::broker
