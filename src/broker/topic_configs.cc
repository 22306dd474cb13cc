#include "broker/topic_configs.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "base/check.h"

namespace tidemill::broker {
namespace {

using kafka::ConfigType;
using kafka::TopicConfig;

// Calls `each` for every comma-separated part; false as soon as one call says so.
template <class Each>
bool all_parts(std::string_view list, Each each) {
  while (true) {
    auto comma = list.find(',');
    if (!each(list.substr(0, comma))) return false;
    if (comma == std::string_view::npos) return true;
    list.remove_prefix(comma + 1);
  }
}

bool is_choice(std::string_view choices, std::string_view value) {
  return !all_parts(choices, [&](std::string_view choice) { return choice != value; });
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

template <class Number>
bool number_at_least(std::string_view text, Number least) {
  Number n{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  return error == std::errc() && end == text.data() + text.size() && n >= least;
}

bool fits(const TopicConfig& config, std::string_view value) {
  std::string_view choices = config.choices;
  switch (config.type) {
    case ConfigType::boolean_: return value == "true" || value == "false";
    case ConfigType::int_: return number_at_least(value, static_cast<std::int32_t>(config.least));
    case ConfigType::long_: return number_at_least(value, config.least);
    case ConfigType::double_: return number_at_least(value, static_cast<double>(config.least));
    case ConfigType::string_: return choices.empty() || is_choice(choices, value);
    case ConfigType::list_:
      return choices.empty() || all_parts(value, [&](std::string_view part) { return is_choice(choices, trimmed(part)); });
  }
  return false;
}

}  // namespace

const TopicConfig* find_topic_config(std::string_view name) {
  auto found = std::ranges::find(kafka::topic_configs, name, [](const TopicConfig& c) { return std::string_view(c.name); });
  return found == std::end(kafka::topic_configs) ? nullptr : found;
}

Refusal check_topic_config(std::string_view name, std::optional<std::string_view> value) {
  auto* config = find_topic_config(name);
  if (!config) return {kafka::INVALID_CONFIG, fmt::format("Unknown topic config name: {}", name)};
  if (!value) return {kafka::INVALID_CONFIG, fmt::format("Null value not supported for topic configs: {}", name)};
  if (fits(*config, *value)) return {};
  auto expected = *config->choices ? fmt::format("; one of: {}", config->choices) : std::string();
  return {kafka::INVALID_CONFIG, fmt::format("Invalid value {} for configuration {}{}", *value, name, expected)};
}

std::string_view topic_config(const catalog::Topic& topic, std::string_view name) {
  auto own = topic.configs.find(std::string(name));
  if (own != topic.configs.end()) return own->second;
  auto* config = find_topic_config(name);
  CHECK(config, "no topic setting {}", name);
  return config->standard;
}

std::int64_t topic_config_number(const catalog::Topic& topic, std::string_view name) {
  auto text = topic_config(topic, name);
  std::int64_t n = 0;
  std::from_chars(text.data(), text.data() + text.size(), n);
  return n;
}

bool compacted(const catalog::Topic& topic) { return topic_config(topic, "cleanup.policy").contains("compact"); }

bool deletes(const catalog::Topic& topic) { return topic_config(topic, "cleanup.policy").contains("delete"); }

}  // namespace tidemill::broker
