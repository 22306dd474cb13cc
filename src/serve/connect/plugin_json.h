// What connector classes are and take, in the shapes of Kafka Connect's /connector-plugins.
#pragma once

#include <string>

#include "connect/connectors.h"

namespace tidemill::serve {

std::string plugins_json();
// One definition per property, as GET /connector-plugins/CLASS/config has it.
std::string definitions_json(const connect::Plugin& plugin);
// A configuration held against the definitions: every property with its value and what is wrong with it.
std::string validation_json(const connect::Plugin& plugin, const connect::ConfigMap& config);

}  // namespace tidemill::serve
