// What a client asked for: the SQL and the properties that go with it.
#pragma once

#include <expected>
#include <map>
#include <string>
#include <string_view>

#include "serve/ksql/errors.h"

namespace tidemill::serve::ksql {

using Overrides = std::map<std::string, std::string>;  // names without the ksql.streams. prefix

struct QueryRequest {
  std::string sql;
  Overrides overrides;
};

// {"ksql": "...", "streamsProperties": {...}} or, for /query-stream, {"sql": "...", "properties": {...}}.
std::expected<QueryRequest, Refused> read_request(std::string_view body);

// Whether clients may set it; Code::invalid otherwise.
Result<void> check_override(std::string_view name, std::string_view value);
std::string plain_name(std::string_view name);  // without ksql.streams.

bool from_earliest(const Overrides& overrides);

struct KnownProperty {
  std::string_view name, value;
};
const std::vector<KnownProperty>& known_properties();

}  // namespace tidemill::serve::ksql
