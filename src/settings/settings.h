// Settings: what a person may choose. A plain struct made from spec/settings.toml, filled once at the start and then only
// read. Each setting is a field: kafka.listen is settings.kafka_listen.
//
//   Settings settings;                                        // the defaults
//   TRY(apply_yaml(settings, text, "tidemill.yaml"));         // the file, over the defaults
//   TRY(apply_override(settings, "kafka.listen=off"));        // --set, over the file
//   TRY(check(settings));                                     // what no single setting can know
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "settings/fields.h"

namespace tidemill::settings {

// Nested or dotted keys. Errors name the file, the line, the setting and what is accepted. Nothing changes when it fails.
Result<void> apply_yaml(Settings& settings, const std::string& text, std::string_view file_name);
Result<void> apply_override(Settings& settings, std::string_view assignment);  // "KEY=VALUE"
Result<void> apply(Settings& settings, std::string_view name, const std::string& value);

// Listening beyond this machine is refused, as is one address for two listeners.
Result<void> check(const Settings& settings);

// Every setting as text, for people; a secret's value is "(set)" or empty.
struct Shown {
  std::string name;
  std::string value;
  bool is_default = true;
};
std::vector<Shown> shown(const Settings& settings);

}  // namespace tidemill::settings
