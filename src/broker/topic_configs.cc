#include "broker/topic_configs.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "broker/topic_rules.h"

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

constexpr const char* type_name(ConfigType type) {
  switch (type) {
    case ConfigType::boolean_: return "BOOLEAN";
    case ConfigType::int_: return "INT";
    case ConfigType::long_: return "LONG";
    case ConfigType::double_: return "DOUBLE";
    case ConfigType::string_: return "STRING";
    case ConfigType::list_: return "LIST";
  }
  return "";
}

// Empty: it fits.
template <class Number>
std::string why_not_number(const TopicConfig& config, std::string_view text) {
  Number n{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size()) return fmt::format("Not a number of type {}", type_name(config.type));
  if (n < static_cast<Number>(config.least)) return fmt::format("Value must be at least {}", config.least);
  if (config.most != INT64_MAX && n > static_cast<Number>(config.most)) return fmt::format("Value must be no more than {}", config.most);
  return {};
}

std::string why_not(const TopicConfig& config, std::string_view value) {
  std::string_view choices = config.choices;
  auto one_of = [&](bool fits) { return fits ? std::string() : fmt::format("String must be one of: {}", choices); };
  switch (config.type) {
    case ConfigType::boolean_: return value == "true" || value == "false" ? "" : "Expected value to be either true or false";
    case ConfigType::int_: return why_not_number<std::int32_t>(config, value);
    case ConfigType::long_: return why_not_number<std::int64_t>(config, value);
    case ConfigType::double_: return why_not_number<double>(config, value);
    case ConfigType::string_: return one_of(choices.empty() || is_choice(choices, value));
    case ConfigType::list_: return one_of(choices.empty() || all_parts(value, [&](std::string_view part) { return is_choice(choices, trimmed(part)); }));
  }
  return {};
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
  auto why = why_not(*config, *value);
  if (why.empty()) return {};
  return {kafka::INVALID_CONFIG, fmt::format("Invalid value {} for configuration {}: {}", *value, name, why)};
}

Refusal check_together(const Settings& settings, const Configs& configs) {
  auto rules = rules_of(settings, configs);
  if (rules.min_compaction_lag_ms > rules.max_compaction_lag_ms)
    return {kafka::INVALID_CONFIG, fmt::format("conflict topic config setting min.compaction.lag.ms ({}) > max.compaction.lag.ms ({})", rules.min_compaction_lag_ms, rules.max_compaction_lag_ms)};
  return {};
}

std::string standard_value(const Settings& settings, const TopicConfig& config) {
  std::string_view name = config.name;
  if (name == "retention.ms") return std::to_string(settings.retention_ms);
  if (name == "retention.bytes") return std::to_string(settings.retention_bytes);
  if (name == "delete.retention.ms") return std::to_string(settings.delete_retention_ms);
  if (name == "max.message.bytes") return std::to_string(settings.message_bytes_max);
  return config.standard;
}

}  // namespace tidemill::broker
