#include "serve/ksql/request.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tidemill::serve::ksql {

using nlohmann::json;

// Accepted because scripts set them; auto.offset.reset, the default formats, wrap.single.values and the topic prefix have an effect.
// Shown by SHOW PROPERTIES with ksqlDB's defaults.
const std::vector<KnownProperty>& known_properties() {
  static const std::vector<KnownProperty> all = {
      {"auto.offset.reset", "latest"}, {"cache.max.bytes.buffering", "10000000"}, {"commit.interval.ms", "2000"}, {"num.stream.threads", "4"},
      {"processing.guarantee", "exactly_once_v2"}, {"buffered.records.per.partition", "1000"}, {"max.task.idle.ms", "0"}, {"num.standby.replicas", "0"},
      {"task.timeout.ms", "300000"}, {"topology.optimization", "all"}, {"default.timestamp.extractor", ""}, {"state.dir", ""}, {"replication.factor", "1"},
      {"compression.type", "none"}, {"statestore.cache.max.bytes", "10000000"},
      {"ksql.persistence.default.format.key", "KAFKA"}, {"ksql.persistence.default.format.value", ""}, {"ksql.persistence.wrap.single.values", ""},
      {"ksql.output.topic.name.prefix", ""}, {"ksql.sink.partitions", ""}, {"ksql.sink.replicas", ""}, {"ksql.timestamp.throw.on.invalid", "false"},
      {"ksql.nested.error.set.null", "true"}, {"ksql.fail.on.deserialization.error", "false"}, {"ksql.fail.on.production.error", "true"},
      {"ksql.functions.collect_list.limit", ""}, {"ksql.functions.collect_set.limit", ""}, {"ksql.query.pull.table.scan.enabled", "true"},
      {"ksql.query.push.v2.enabled", "false"}, {"ksql.windowed.session.key.legacy", "false"}, {"ksql.new.query.planner.enabled", "false"},
      {"ksql.suppress.enabled", "true"}, {"ksql.create.or.replace.enabled", "true"}, {"ksql.headers.columns.enabled", "true"},
      {"ksql.query.pull.consistency.token.enabled", "false"}, {"ksql.cast.strings.preserve.nulls", "true"}, {"ksql.compat.strict.retention", "false"},
      {"__emit.interval.ms.kstreams.windowed.aggregation__", ""}};
  return all;
}

std::string plain_name(std::string_view name) {
  constexpr std::string_view prefix = "ksql.streams.";
  return std::string(name.starts_with(prefix) ? name.substr(prefix.size()) : name);
}

Result<void> check_override(std::string_view name, std::string_view value) {
  auto plain = plain_name(name);
  if (plain == "auto.offset.reset") {
    if (value == "earliest" || value == "latest") return {};
    return fail(Code::invalid, fmt::format("Invalid value {} for property {}: it must be one of: latest, earliest", value, name), "use 'earliest' or 'latest'");
  }
  auto& all = known_properties();
  bool client = plain.starts_with("consumer.") || plain.starts_with("producer.") || plain.starts_with("topic.") || plain.starts_with("ksql.functions.");
  if (client || std::any_of(all.begin(), all.end(), [&](auto& p) { return p.name == plain; })) return {};
  return fail(Code::invalid, fmt::format("Not recognizable as ksql, streams, consumer, or producer property: '{}'", name), "SHOW PROPERTIES lists those that can be set");
}

bool from_earliest(const Overrides& overrides) {
  auto found = overrides.find("auto.offset.reset");
  return found != overrides.end() && found->second == "earliest";
}

namespace {

Refused bad(std::string message) { return {ErrorCode::bad_request, std::move(message), false, {}, "[]"}; }

std::expected<Overrides, Refused> read_overrides(const json& object) {
  Overrides result;
  if (object.is_null()) return result;
  if (!object.is_object()) return std::unexpected(bad("The properties must be an object"));
  for (auto& [name, value] : object.items()) {
    auto text = value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, json::error_handler_t::replace);
    if (auto fine = check_override(name, text); !fine) return std::unexpected(refused(fine.error()));
    result[plain_name(name)] = text;
  }
  return result;
}

}  // namespace

std::expected<QueryRequest, Refused> read_request(std::string_view body) {
  auto document = json::parse(body, nullptr, false);
  if (document.is_discarded() || !document.is_object()) return std::unexpected(bad("The body is not a JSON object\nsend {\"ksql\": \"...;\", \"streamsProperties\": {}}"));
  QueryRequest result;
  auto sql = document.contains("ksql") ? document.find("ksql") : document.find("sql");
  if (sql == document.end() || !sql->is_string()) return std::unexpected(bad("The request has no \"ksql\" text\nsend {\"ksql\": \"...;\", \"streamsProperties\": {}}"));
  result.sql = sql->get<std::string>();
  for (auto name : {"streamsProperties", "properties"}) {
    auto found = document.find(name);
    if (found == document.end()) continue;
    auto overrides = read_overrides(*found);
    if (!overrides) return std::unexpected(overrides.error());
    result.overrides.merge(*overrides);
  }
  return result;
}

}  // namespace tidemill::serve::ksql
