// The PostgreSQL connector's configuration, read from its properties. docs/connect-postgresql.md lists them.
#pragma once

#include <memory>
#include <span>

#include "bytes/compression.h"
#include "connect/config.h"
#include "connect/name_filter.h"
#include "connect/postgres/column_type.h"
#include "connect/postgres/event_format.h"
#include "connect/postgres/session.h"

namespace tidemill::connect::postgres {

std::span<const Property> postgres_properties();

enum class SnapshotMode : std::uint8_t { initial, initial_only, none };
enum class Autocreate : std::uint8_t { all_tables, filtered, disabled };

struct Settings {
  Server server;
  std::string slot, publication;
  Autocreate autocreate = Autocreate::all_tables;
  SnapshotMode snapshot = SnapshotMode::initial;
  NameFilter schemas, tables;
  TypeModes types;
  std::shared_ptr<const EventFormat> format;
  std::string skipped;  // operations: of c, u, d, t
  Codec codec = Codec::lz4;
  std::int32_t partitions = 1;
  bool passes(const std::string& schema, const std::string& table) const;
  bool skips(char op) const { return skipped.find(op) != std::string::npos; }
};

// What the configuration asks for and only partly gets.
std::vector<std::string> settings_warnings(const Settings& settings);
// Code::invalid for what the property table alone cannot see.
Result<Settings> read_settings(const ConfigMap& config);

}  // namespace tidemill::connect::postgres
