#include "serve/ksql/entities.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "sql/functions.h"
#include "sql/plan_text.h"

namespace tidemill::serve::ksql {

using json = nlohmann::ordered_json;
using record::Kind;

namespace {

std::string text_of(const json& entity) { return entity.dump(-1, ' ', false, json::error_handler_t::replace); }

json entity(const char* type, const std::string& statement) { return {{"@type", type}, {"statementText", statement}, {"warnings", json::array()}}; }

const char* kind_text(sql::SourceKind kind) { return kind == sql::SourceKind::table ? "TABLE" : "STREAM"; }

std::string type_name(const record::Type& type) {
  auto text = type.text();
  return text.substr(0, text.find_first_of("<("));
}

json schema_of(const record::Type& type);

json fields_of(const std::vector<record::Field>& fields) {
  auto list = json::array();
  for (auto& field : fields) list.push_back({{"name", field.name}, {"schema", schema_of(field.type)}});
  return list;
}

json schema_of(const record::Type& type) {
  json out = {{"type", type_name(type)}, {"fields", nullptr}, {"memberSchema", nullptr}};
  if (type.kind() == Kind::struct_) out["fields"] = fields_of(type.fields());
  if (type.kind() == Kind::array || type.kind() == Kind::map) out["memberSchema"] = schema_of(type.element());
  if (type.kind() == Kind::decimal) out["parameters"] = {{"precision", type.precision()}, {"scale", type.scale()}};
  return out;
}

json columns_of(const std::vector<sql::Column>& columns) {
  auto list = json::array();
  for (auto& column : columns) {
    json field = {{"name", column.name}, {"schema", schema_of(column.type)}};
    if (column.role == sql::ColumnRole::key) field["type"] = "KEY";
    list.push_back(std::move(field));
  }
  return list;
}

std::string state_text(flow::QueryState state) { return state == flow::QueryState::running ? "RUNNING" : state == flow::QueryState::error ? "ERROR" : "PAUSED"; }

std::string state_of(const Shelf& shelf, const std::string& id) {
  for (auto& status : shelf.queries.statuses(shelf.tenant)) {
    if (status.id == id) return state_text(status.state);
  }
  return "UNRESPONSIVE";
}

json query_of(const Shelf& shelf, const catalog::Query& query) {
  auto sink = shelf.catalog.find_source(shelf.tenant, query.sink);
  auto state = state_of(shelf, query.id);
  return {{"queryString", query.statement}, {"sinks", {query.sink}}, {"sinkKafkaTopics", {sink ? sink->definition.topic : query.sink}}, {"id", query.id},
          {"statusCount", {{state, 1}}}, {"queryType", "PERSISTENT"}, {"state", state}};
}

json queries_that(const Shelf& shelf, const std::string& source, bool write) {
  auto list = json::array();
  for (auto& query : shelf.catalog.queries(shelf.tenant)) {
    bool reads = std::find(query->sources.begin(), query->sources.end(), source) != query->sources.end();
    if (write ? query->sink == source : reads) list.push_back(query_of(shelf, *query));
  }
  return list;
}

json description_of(const Shelf& shelf, const sql::Source& source, bool extended) {
  auto topic = shelf.catalog.find_topic(shelf.tenant, source.topic);
  return {{"name", source.name}, {"windowType", source.window ? json("TUMBLING") : json(nullptr)}, {"readQueries", queries_that(shelf, source.name, false)},
          {"writeQueries", queries_that(shelf, source.name, true)}, {"fields", columns_of(source.columns)}, {"type", kind_text(source.kind)},
          {"timestamp", source.timestamp_column.value_or("")}, {"statistics", ""}, {"errorStats", ""}, {"extended", extended},
          {"keyFormat", sql::format_name(source.key_format)}, {"valueFormat", sql::format_name(source.value_format)}, {"topic", source.topic},
          {"partitions", topic ? topic->partitions : 0}, {"replication", topic ? 1 : 0}, {"statement", source.statement}, {"queryOffsetSummaries", json::array()},
          {"sourceConstraints", json::array()}, {"clusterStatistics", json::array()}, {"clusterErrorStats", json::array()}};
}

std::string show_sources(const Shelf& shelf, sql::SourceKind kind, bool extended, const std::string& statement) {
  auto list = json::array();
  for (auto& source : shelf.catalog.sources(shelf.tenant)) {
    auto& s = source->definition;
    if (s.kind != kind) continue;
    if (extended) {
      list.push_back(description_of(shelf, s, true));
      continue;
    }
    list.push_back({{"type", kind_text(kind)}, {"name", s.name}, {"topic", s.topic}, {"keyFormat", sql::format_name(s.key_format)},
                    {"valueFormat", sql::format_name(s.value_format)}, {"isWindowed", s.window.has_value()}});
  }
  auto out = entity(extended ? "source_descriptions" : kind == sql::SourceKind::table ? "tables" : "streams", statement);
  out[extended ? "sourceDescriptions" : kind == sql::SourceKind::table ? "tables" : "streams"] = std::move(list);
  return text_of(out);
}

std::string show_topics(const Shelf& shelf, const sql::Show& what, const std::string& statement) {
  auto list = json::array();
  for (auto& topic : shelf.catalog.topics(shelf.tenant)) {
    if (topic->internal && !what.all) continue;
    json one = {{"name", topic->name}, {"replicaInfo", std::vector<int>(static_cast<std::size_t>(std::min(topic->partitions, 10'000)), 1)}};
    if (what.extended) one["consumerCount"] = 0, one["consumerGroupCount"] = 0;
    list.push_back(std::move(one));
  }
  auto out = entity(what.extended ? "kafka_topics_extended" : "kafka_topics", statement);
  out["topics"] = std::move(list);
  return text_of(out);
}

std::string show_queries(const Shelf& shelf, const std::string& statement) {
  auto list = json::array();
  for (auto& query : shelf.catalog.queries(shelf.tenant)) list.push_back(query_of(shelf, *query));
  auto out = entity("queries", statement);
  out["queries"] = std::move(list);
  return text_of(out);
}

std::string show_functions(const std::string& statement) {
  auto list = json::array();
  for (auto& f : sql::aggregate_functions()) list.push_back({{"name", f.name}, {"type", "AGGREGATE"}, {"category", "AGGREGATE"}});
  for (auto& f : sql::scalar_functions()) list.push_back({{"name", f.name}, {"type", "SCALAR"}, {"category", f.category}});
  auto out = entity("function_names", statement);
  out["functions"] = std::move(list);
  return text_of(out);
}

std::string show_properties(const std::string& statement, const Overrides& overrides) {
  auto list = json::array(), overwritten = json::array(), defaults = json::array();
  for (auto& property : known_properties()) {
    bool streams = !property.name.starts_with("ksql.");
    auto name = (streams ? "ksql.streams." : "") + std::string(property.name);
    auto found = overrides.find(std::string(property.name));
    auto value = found == overrides.end() ? std::string(property.value) : found->second;
    list.push_back({{"name", name}, {"scope", streams ? "KAFKA STREAMS" : "KSQL"}, {"value", value}, {"editable", true}, {"level", found == overrides.end() ? "SERVER" : "SESSION"}});
    (found == overrides.end() ? defaults : overwritten).push_back(name);
  }
  auto out = entity("properties", statement);
  out["properties"] = std::move(list);
  out["overwrittenProperties"] = std::move(overwritten);
  out["defaultProperties"] = std::move(defaults);
  return text_of(out);
}

std::string parameter_text(const sql::Parameter& p) { return p.rule != sql::Parameter::Rule::kind ? "T" : p.kind == Kind::decimal ? "DECIMAL" : record::Type(p.kind).text(); }

json overload_of(const sql::Overload& overload, const std::string& doc) {
  auto arguments = json::array();
  for (std::size_t i = 0; i < overload.parameters.size(); ++i) {
    bool variadic = overload.variadic && i + 1 == overload.parameters.size();
    arguments.push_back({{"name", ""}, {"type", parameter_text(overload.parameters[i])}, {"description", ""}, {"isVariadic", variadic}});
  }
  auto returns = overload.rule == sql::Overload::Rule::type ? overload.returns.text() : overload.rule == sql::Overload::Rule::generic ? "T" : "DECIMAL";
  return {{"arguments", std::move(arguments)}, {"returnType", returns}, {"description", doc}};
}

json query_description(const std::string& id, const std::string& query_text, const std::string& plan) {
  return {{"id", id}, {"statementText", query_text}, {"windowType", nullptr}, {"fields", json::array()}, {"sources", json::array()}, {"sinks", json::array()},
          {"topology", plan}, {"executionPlan", plan}, {"overriddenProperties", json::object()}, {"ksqlHostQueryStatus", json::object()}, {"queryType", "PERSISTENT"},
          {"queryErrors", json::array()}, {"tasksMetadata", json::array()}, {"state", nullptr}, {"consumerGroupId", nullptr}};
}

}  // namespace

std::string show(const Shelf& shelf, const sql::Show& what, const std::string& statement, const Overrides& overrides) {
  switch (what.what) {
    case sql::ShowWhat::streams: return show_sources(shelf, sql::SourceKind::stream, what.extended, statement);
    case sql::ShowWhat::tables: return show_sources(shelf, sql::SourceKind::table, what.extended, statement);
    case sql::ShowWhat::topics: return show_topics(shelf, what, statement);
    case sql::ShowWhat::queries: return show_queries(shelf, statement);
    case sql::ShowWhat::functions: return show_functions(statement);
    case sql::ShowWhat::properties: return show_properties(statement, overrides);
    case sql::ShowWhat::types: {
      auto out = entity("type_list", statement);
      out["types"] = json::object();
      return text_of(out);
    }
    case sql::ShowWhat::variables: break;
  }
  auto out = entity("variables", statement);
  out["variables"] = json::array();
  return text_of(out);
}

Result<std::string> describe(const Shelf& shelf, const sql::Describe& what, const std::string& statement) {
  auto source = shelf.catalog.find_source(shelf.tenant, what.name);
  if (!source) return fail(Code::not_found, fmt::format("Could not find STREAM/TABLE '{}' in the Metastore", what.name), "SHOW STREAMS and SHOW TABLES list what exists");
  auto out = entity("sourceDescription", statement);
  out["sourceDescription"] = description_of(shelf, source->definition, what.extended);
  return text_of(out);
}

Result<std::string> describe_function(const std::string& name, const std::string& statement) {
  auto out = entity("describe_function", statement);
  auto upper = name;
  std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  auto fill = [&](std::string_view category, std::string_view doc, const char* type, json functions) {
    out["name"] = upper, out["description"] = doc, out["author"] = "", out["version"] = "", out["path"] = "internal", out["type"] = type;
    out["category"] = category, out["functions"] = std::move(functions);
    return text_of(out);
  };
  if (auto* function = sql::find_function(upper)) {
    auto overloads = json::array();
    for (auto& overload : function->overloads) overloads.push_back(overload_of(overload, function->doc));
    return fill(function->category, function->doc, "SCALAR", std::move(overloads));
  }
  for (auto& aggregate : sql::aggregate_functions()) {
    if (aggregate.name == upper) return fill("AGGREGATE", aggregate.doc, "AGGREGATE", json::array());
  }
  return fail(Code::not_found, fmt::format("Can't find any functions with the name '{}'", name), "SHOW FUNCTIONS lists them");
}

std::string explain_plan(const sql::QueryPlan& plan, const std::string& query_text, const std::string& statement) {
  auto out = entity("queryDescription", statement);
  auto description = query_description("", query_text, sql::plan_text(plan));
  description["sources"].push_back(plan.source.name);
  if (plan.sink) description["sinks"].push_back(plan.sink->name);
  out["queryDescription"] = std::move(description);
  return text_of(out);
}

Result<std::string> explain_query(const Shelf& shelf, const std::string& id, const std::string& statement) {
  auto query = shelf.catalog.find_query(shelf.tenant, id);
  if (!query) return fail(Code::not_found, fmt::format("Query with id:{} does not exist, use SHOW QUERIES to view the full set of queries.", id));
  auto sink = shelf.catalog.find_source(shelf.tenant, query->sink);
  auto description = query_description(query->id, query->statement, query->statement);
  description["sources"] = query->sources;
  description["sinks"].push_back(query->sink);
  if (sink) description["fields"] = columns_of(sink->definition.columns);
  description["state"] = state_of(shelf, query->id);
  auto errors = json::array();
  for (auto& status : shelf.queries.statuses(shelf.tenant)) {
    if (status.id == query->id && !status.error.empty()) errors.push_back({{"errorMessage", status.error}, {"type", "UNKNOWN"}});
  }
  description["queryErrors"] = std::move(errors);
  auto out = entity("queryDescription", statement);
  out["queryDescription"] = std::move(description);
  return text_of(out);
}

std::string current_status(const CommandAnswer& answer, const std::string& statement) {
  auto out = entity("currentStatus", statement);
  out["commandId"] = answer.command_id;
  out["commandStatus"] = {{"status", "SUCCESS"}, {"message", answer.message}, {"queryId", answer.query_id.empty() ? json(nullptr) : json(answer.query_id)}};
  out["commandSequenceNumber"] = answer.number;
  return text_of(out);
}

std::string warning(const std::string& message, const std::string& statement) {
  auto out = entity("warning_entity", statement);
  out["message"] = message;
  return text_of(out);
}

}  // namespace tidemill::serve::ksql
