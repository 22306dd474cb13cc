#include "connect/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "connect/name_filter.h"

namespace tidemill::connect {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::optional<std::int64_t> to_number(std::string_view text) {
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool allowed(std::string_view choices, std::string_view value) {
  while (!choices.empty()) {
    auto end = std::min(choices.find('|'), choices.size());
    if (lower(choices.substr(0, end)) == value) return true;
    choices.remove_prefix(std::min(end + 1, choices.size()));
  }
  return false;
}

std::string choices_text(std::string_view choices) {
  std::string out;
  for (char c : choices)
    if (c == '|') out += ", "; else out += c;
  return out;
}

// Why the value is wrong; empty when it is right.
std::string complaint(const Property& property, const std::string& value) {
  switch (property.kind) {
    case PropertyKind::boolean:
      if (lower(value) == "true" || lower(value) == "false") return {};
      return fmt::format("{} is \"{}\"; allowed are true and false", property.name, value);
    case PropertyKind::number:
      if (to_number(value)) return {};
      return fmt::format("{} is \"{}\"; it must be a whole number", property.name, value);
    case PropertyKind::choice:
      if (allowed(property.allowed, lower(value))) return {};
      return fmt::format("{} is \"{}\"; allowed are {}", property.name, value, choices_text(property.allowed));
    case PropertyKind::regexes:
      if (auto filter = NameFilter::make(value, ""); !filter) return fmt::format("{}: {}", property.name, filter.error().message);
      return {};
    default: return {};
  }
}

bool looks_secret(std::string_view name) {
  auto low = lower(name);
  return low.find("password") != std::string::npos || low.find("secret") != std::string::npos || low.find("token") != std::string::npos;
}

}  // namespace

const Property* find_property(std::span<const Property> table, std::string_view name) {
  for (auto& property : table) {
    if (property.name == name) return &property;
    if (property.name.ends_with('*') && name.starts_with(property.name.substr(0, property.name.size() - 1))) return &property;
  }
  return nullptr;
}

Checked check_config(std::span<const Property> table, const ConfigMap& config) {
  Checked checked;
  for (auto& [name, value] : config) {
    auto* property = find_property(table, name);
    if (property == nullptr) {
      checked.warnings.push_back(fmt::format("unknown property {}: ignored", name));
      continue;
    }
    if (property->use == Use::no_effect) checked.warnings.push_back(fmt::format("property {} has no effect here{}{}", name,
                                                                               property->about.empty() ? "" : ": ", property->about));
    if (auto why = complaint(*property, value); !why.empty()) checked.errors.push_back({name, std::move(why)});
  }
  for (auto& property : table)
    if (property.use == Use::required && (!config.contains(std::string(property.name)) || config.at(std::string(property.name)).empty()))
      checked.errors.push_back({std::string(property.name), fmt::format("{} is missing: {}", property.name, property.about)});
  return checked;
}

Result<std::vector<std::string>> warnings_or_error(const Checked& checked) {
  if (checked.errors.empty()) return checked.warnings;
  std::string message;
  for (auto& error : checked.errors) message += (message.empty() ? "" : "; ") + error.message;
  return fail(Code::invalid, std::move(message));
}

ConfigMap masked(std::span<const Property> table, const ConfigMap& config) {
  auto out = config;
  for (auto& [name, value] : out) {
    auto* property = find_property(table, name);
    if ((property != nullptr && property->kind == PropertyKind::secret) || looks_secret(name)) value = mask;
  }
  return out;
}

Result<void> unmask(ConfigMap& config, const ConfigMap& stored) {
  for (auto& [name, value] : config) {
    if (value != mask) continue;
    auto known = stored.find(name);
    if (known == stored.end()) return fail(Code::invalid, fmt::format("{} is {}, which stands for a value that is not stored", name, mask), "give the value itself");
    value = known->second;
  }
  return {};
}

std::string Config::text(std::string_view name) const {
  auto* property = find_property(table_, name);
  auto given = values_.find(std::string(name));
  auto value = given != values_.end() ? given->second : std::string(property ? property->standard : "");
  bool folds = property && (property->kind == PropertyKind::choice || property->kind == PropertyKind::boolean);
  return folds ? lower(value) : value;
}

std::int64_t Config::number(std::string_view name) const { return to_number(text(name)).value_or(0); }

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    auto end = std::min(text.find(','), text.size());
    auto item = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (!item.empty()) out.emplace_back(item);
  }
  return out;
}

}  // namespace tidemill::connect
