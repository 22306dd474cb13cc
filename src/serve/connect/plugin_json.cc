#include "serve/connect/plugin_json.h"

#include <nlohmann/json.hpp>

#include "base/version.h"

namespace tidemill::serve {
namespace {

using Json = nlohmann::json;
using connect::PropertyKind;
using connect::Use;

std::string dumped(const Json& j) { return j.dump(-1, ' ', false, Json::error_handler_t::replace); }

const char* type_of(const connect::Property& property) {
  switch (property.kind) {
    case PropertyKind::boolean: return "BOOLEAN";
    case PropertyKind::number: return "LONG";
    case PropertyKind::regexes: return "LIST";
    case PropertyKind::secret: return "PASSWORD";
    case PropertyKind::text:
    case PropertyKind::choice: return "STRING";
  }
  return "STRING";
}

const char* importance_of(const connect::Property& property) {
  if (property.use == Use::required) return "HIGH";
  return property.use == Use::optional ? "MEDIUM" : "LOW";
}

Json choices_of(const connect::Property& property) {
  Json choices = Json::array();
  for (auto rest = property.allowed; !rest.empty();) {
    auto end = std::min(rest.find('|'), rest.size());
    choices.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return choices;
}

Json definition(const connect::Property& property, int order) {
  bool required = property.use == Use::required;
  return {{"name", property.name}, {"type", type_of(property)}, {"required", required},
          {"default_value", required || property.standard.empty() ? Json() : Json(property.standard)}, {"importance", importance_of(property)},
          {"documentation", property.about}, {"group", "PostgreSQL"}, {"width", "MEDIUM"}, {"display_name", property.name},
          {"dependents", Json::array()}, {"order", order}};
}

bool is_pattern(const connect::Property& property) { return property.name.ends_with('*'); }

Json value_of(const connect::Property& property, const connect::ConfigMap& shown, const connect::Checked& checked) {
  auto given = shown.find(std::string(property.name));
  Json errors = Json::array();
  for (auto& error : checked.errors)
    if (error.name == property.name) errors.push_back(error.message);
  auto value = given != shown.end() ? Json(given->second) : property.standard.empty() ? Json() : Json(property.standard);
  return {{"name", property.name}, {"value", std::move(value)}, {"recommended_values", choices_of(property)}, {"errors", std::move(errors)}, {"visible", true}};
}

}  // namespace

std::string plugins_json() {
  Json all = Json::array();
  for (auto& plugin : connect::plugins()) all.push_back({{"class", plugin.class_name}, {"type", "source"}, {"version", version}});
  return dumped(all);
}

std::string definitions_json(const connect::Plugin& plugin) {
  Json all = Json::array();
  int order = 0;
  for (auto& property : plugin.properties)
    if (!is_pattern(property)) all.push_back(definition(property, ++order));
  return dumped(all);
}

std::string validation_json(const connect::Plugin& plugin, const connect::ConfigMap& config) {
  auto checked = connect::check_config(plugin.properties, config);
  auto shown = connect::masked(plugin.properties, config);
  Json configs = Json::array();
  int order = 0;
  for (auto& property : plugin.properties)
    if (!is_pattern(property)) configs.push_back({{"definition", definition(property, ++order)}, {"value", value_of(property, shown, checked)}});
  return dumped({{"name", plugin.class_name}, {"error_count", checked.errors.size()}, {"groups", {"PostgreSQL"}}, {"configs", std::move(configs)}});
}

}  // namespace tidemill::serve
