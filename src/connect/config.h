// Connector properties: which exist, what they may hold, and typed access to them. Names and defaults are Debezium's and Kafka Connect's.
// A property table belongs to a connector class; checking is a pure function over table and configuration.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tidemill::connect {

using ConfigMap = std::map<std::string, std::string>;

enum class PropertyKind : std::uint8_t { text, boolean, number, choice, regexes, secret };
enum class Use : std::uint8_t {
  required,
  optional,
  no_effect,  // accepted so that existing configurations work; Tidemill has no need of it
};

struct Property {
  std::string_view name;  // a trailing * matches any rest: column.mask.*
  PropertyKind kind = PropertyKind::text;
  Use use = Use::optional;
  std::string_view standard;  // the default
  std::string_view allowed;   // choice: a|b|c
  std::string_view about;     // one line, for GET /connector-plugins and messages
};

const Property* find_property(std::span<const Property> table, std::string_view name);

struct PropertyError {
  std::string name, message;
};
struct Checked {
  std::vector<PropertyError> errors;   // a connector with any of these is not made
  std::vector<std::string> warnings;   // unknown properties and those without effect
};
Checked check_config(std::span<const Property> table, const ConfigMap& config);
// All errors in one message.
Result<std::vector<std::string>> warnings_or_error(const Checked& checked);

// Values that nobody may see replaced by stars. A secret is what the table calls one, and whatever has password, secret or token in its name.
ConfigMap masked(std::span<const Property> table, const ConfigMap& config);
inline constexpr std::string_view mask = "********";
// The other way round: a configuration that was read masked and is given again has the stored values. Code::invalid where there is none.
Result<void> unmask(ConfigMap& config, const ConfigMap& stored);

// A checked configuration read with its defaults.
class Config {
 public:
  Config(std::span<const Property> table, const ConfigMap& values) : table_(table), values_(values) {}
  std::string text(std::string_view name) const;
  bool flag(std::string_view name) const { return text(name) == "true"; }
  std::int64_t number(std::string_view name) const;
  bool given(std::string_view name) const { return values_.contains(std::string(name)); }

 private:
  std::span<const Property> table_;
  const ConfigMap& values_;
};

std::vector<std::string> split_list(std::string_view text);  // at commas, blanks around items dropped

}  // namespace tidemill::connect
