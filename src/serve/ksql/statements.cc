#include "serve/ksql/statements.h"

#include <fmt/core.h>

#include <algorithm>
#include <future>
#include <set>

#include "broker/topic_configs.h"

namespace tidemill::serve::ksql {

using catalog::Change;

namespace {

// Waits for the one call of a `done`.
template <class T, class Start>
T waited(Start start) {
  auto promise = std::make_shared<std::promise<T>>();
  auto future = promise->get_future();
  start([promise](T result) { promise->set_value(std::move(result)); });
  return future.get();
}

const char* kind_word(sql::SourceKind kind) { return kind == sql::SourceKind::table ? "table" : "stream"; }
const char* kind_name(sql::SourceKind kind) { return kind == sql::SourceKind::table ? "Table" : "Stream"; }
const char* kind_upper(sql::SourceKind kind) { return kind == sql::SourceKind::table ? "TABLE" : "STREAM"; }

Error name_taken(sql::SourceKind wanted, const std::string& name, sql::SourceKind there) {
  return fail(Code::already_exists, fmt::format("Cannot add {} '{}': A {} with the same name already exists", kind_word(wanted), name, kind_word(there)),
              fmt::format("use IF NOT EXISTS, another name, or DROP {} {} first", kind_upper(there), name));
}

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (auto& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

bool given(const std::vector<sql::Property>& properties, std::string_view name) {
  return std::any_of(properties.begin(), properties.end(), [&](auto& p) { return p.name == name; });
}

// What the request's properties say where the statement says nothing.
void set_default(const Overrides& overrides, const char* override_name, const char* property, std::vector<sql::Property>& properties) {
  auto found = overrides.find(override_name);
  if (found == overrides.end() || found->second.empty() || given(properties, property) || given(properties, "FORMAT")) return;
  sql::Property added;
  added.name = property;
  added.value = record::Value(found->second);
  properties.push_back(std::move(added));
}

void unwrap_by_default(const Overrides& overrides, const std::vector<sql::Property>& properties, sql::Source& source) {
  auto found = overrides.find("ksql.persistence.wrap.single.values");
  auto values = std::count_if(source.columns.begin(), source.columns.end(), [](auto& c) { return c.role == sql::ColumnRole::value; });
  bool unwrap = found != overrides.end() && upper(found->second) == "FALSE";
  if (unwrap && values == 1 && source.value_format == sql::Format::json && !given(properties, "WRAP_SINGLE_VALUE")) source.wrap_single_value = false;
}

std::map<std::string, std::string> topic_configs(const sql::Source& source, const std::vector<sql::Property>& properties, bool sink) {
  std::map<std::string, std::string> configs;
  if (sink && source.kind == sql::SourceKind::table && !source.window) configs["cleanup.policy"] = "compact";
  for (auto& p : properties) {
    auto* text = std::get_if<std::string>(&p.value.data);
    auto* number = std::get_if<std::int64_t>(&p.value.data);
    auto value = text ? *text : number ? std::to_string(*number) : std::string();
    if (p.name == "RETENTION_MS") configs["retention.ms"] = value;
    if (p.name == "CLEANUP_POLICY") configs["cleanup.policy"] = value;
  }
  return configs;
}

}  // namespace

const sql::Source* CatalogSources::find_source(std::string_view name) const {
  auto found = catalog_.find_source(tenant_, name);
  if (!found) return nullptr;
  held_.push_back(found);
  return &found->definition;
}

std::expected<std::string, Refused> Statements::run(TenantId tenant, const std::string& sql, Overrides overrides) {
  auto statements = sql::parse(sql);
  if (!statements) return std::unexpected(refused_statement(statements.error(), sql));
  std::string entities;
  for (auto& statement : *statements) {
    auto so_far = "[" + entities + "]";
    if (std::holds_alternative<sql::Select>(statement.body)) {
      Refused wrong_door{ErrorCode::use_query_endpoint, "The following statement types should be issued to the websocket endpoint '/query':\n\t* PRINT\n\t* SELECT", true, statement.text, so_far};
      return std::unexpected(wrong_door);
    }
    auto answer = execute({tenant, statement, overrides});
    if (!answer) return std::unexpected(refused_statement(answer.error(), statement.text, so_far));
    if (!answer->empty()) entities += (entities.empty() ? "" : ",") + *answer;
  }
  return "[" + entities + "]";
}

Statements::Answer Statements::execute(Context context) {
  auto& text = context.statement.text;
  auto& body = context.statement.body;
  if (auto* s = std::get_if<sql::InsertValues>(&body)) return insert(context, *s);
  if (auto* s = std::get_if<sql::Show>(&body)) return show(shelf(context.tenant), *s, text, context.overrides);
  if (auto* s = std::get_if<sql::Describe>(&body)) return describe(shelf(context.tenant), *s, text);
  if (auto* s = std::get_if<sql::DescribeFunction>(&body)) return describe_function(s->name, text);
  if (auto* s = std::get_if<sql::Explain>(&body)) return explain(context, *s);
  if (auto* s = std::get_if<sql::SetProperty>(&body)) return set(context, *s);
  if (auto* s = std::get_if<sql::UnsetProperty>(&body)) {
    context.overrides.erase(plain_name(s->name));
    return std::string();
  }
  std::lock_guard one_at_a_time(defining_);
  if (auto* s = std::get_if<sql::CreateSource>(&body)) return create_source(context, *s);
  if (auto* s = std::get_if<sql::CreateAs>(&body)) return create_as(context, *s);
  if (auto* s = std::get_if<sql::Drop>(&body)) return drop(context, *s);
  return terminate(context, std::get<sql::Terminate>(body));
}

// --- topics and sources

Result<std::vector<Change>> Statements::topic_changes(TenantId tenant, const sql::Source& source, std::optional<std::int32_t> partitions,
                                                      const std::vector<sql::Property>& properties) {
  auto topic = catalog_.find_topic(tenant, source.topic);
  if (topic && partitions && topic->partitions != *partitions) {
    return fail(Code::invalid, fmt::format("A Kafka topic with the name '{}' already exists, with different partition/replica configuration than required. KSQL expects {} partitions (topic has {})", source.topic, *partitions, topic->partitions),
                fmt::format("leave PARTITIONS out, or say PARTITIONS={}", topic->partitions));
  }
  if (topic) return std::vector<Change>{};
  if (!partitions) {
    return fail(Code::not_found, fmt::format("Topic '{}' does not exist. If you want to create a new topic for the stream/table please re-run the statement providing the required 'PARTITIONS' configuration in the WITH clause (and optionally 'REPLICAS').", source.topic),
                fmt::format("For example: WITH (KAFKA_TOPIC='{}', VALUE_FORMAT='{}', PARTITIONS=1)", source.topic, sql::format_name(source.value_format)));
  }
  auto configs = topic_configs(source, properties, !source.written_by.empty());
  for (auto& [name, value] : configs)
    if (auto refusal = broker::check_topic_config(name, value)) return fail(Code::invalid, refusal.message, "docs/kafka-apis.md lists what topic configurations take");
  return std::vector<Change>{catalog::CreateTopic{tenant, source.topic, *partitions, std::move(configs), false}};
}

Statements::Answer Statements::create_source(Context context, const sql::CreateSource& create) {
  auto completed = create;
  set_default(context.overrides, "ksql.persistence.default.format.value", "VALUE_FORMAT", completed.properties);
  set_default(context.overrides, "ksql.persistence.default.format.key", "KEY_FORMAT", completed.properties);
  TRY_ASSIGN(bound, sql::bind_create(completed, context.statement.text));
  unwrap_by_default(context.overrides, create.properties, bound.source);
  auto there = catalog_.find_source(context.tenant, create.name);
  if (there && create.if_not_exists) {
    auto kind = there->definition.kind;
    return warning(fmt::format("Cannot add {} `{}`: A {} with the same name already exists.", kind_word(create.kind), create.name, kind_word(kind)), context.statement.text);
  }
  if (there && (!create.or_replace || there->definition.kind != create.kind)) return name_taken(create.kind, create.name, there->definition.kind);
  if (there && !there->definition.written_by.empty()) {
    return fail(Code::invalid, fmt::format("Cannot add {} '{}': it is written by the query {}", kind_word(create.kind), create.name, there->definition.written_by), fmt::format("TERMINATE {} first", there->definition.written_by));
  }
  if (there) TRY(check_unused(context.tenant, create.name, "replace"));  // a query binds its statement again at each start
  TRY_ASSIGN(changes, topic_changes(context.tenant, bound.source, bound.partitions, create.properties));
  changes.push_back(catalog::PutSource{context.tenant, bound.source, there != nullptr});
  TRY(catalog_.change_and_wait(std::move(changes)));
  CommandAnswer answer{fmt::format("{}/`{}`/create", kind_word(create.kind), create.name), fmt::format("{} {}", kind_name(create.kind), there ? "replaced" : "created"), {}, catalog_.next_number(context.tenant)};
  return current_status(answer, context.statement.text);
}

// --- queries

// A query that is fed with what it writes, itself or through others, would never come to an end.
Result<void> Statements::check_no_circle(TenantId tenant, const std::string& from, const std::string& to) {
  std::set<std::string> reached{to};
  auto queries = catalog_.queries(tenant);
  for (bool grown = true; grown;) {
    grown = false;
    for (auto& query : queries) {
      auto sink = catalog_.find_source(tenant, query->sink);
      bool fed = std::any_of(query->sources.begin(), query->sources.end(), [&](auto& name) {
        auto source = catalog_.find_source(tenant, name);
        return source && reached.contains(source->definition.topic);
      });
      if (fed && sink) grown |= reached.insert(sink->definition.topic).second;
    }
  }
  if (!reached.contains(from)) return {};
  return fail(Code::invalid, fmt::format("The query would write into the topic '{}' that it reads from, and never end", from), "give the result a KAFKA_TOPIC of its own");
}

Statements::Answer Statements::create_as(Context context, const sql::CreateAs& create) {
  auto there = catalog_.find_source(context.tenant, create.name);
  if (there && create.if_not_exists) {
    return warning(fmt::format("Cannot add {} `{}`: A {} with the same name already exists.", kind_word(create.kind), create.name, kind_word(there->definition.kind)), context.statement.text);
  }
  CatalogSources sources(catalog_, context.tenant);
  TRY_ASSIGN(plan, sql::bind_create_as(create, sources, context.statement.text));
  if (there && create.or_replace) {
    return fail(Code::unsupported, fmt::format("CREATE OR REPLACE of {} {} by a query is not supported yet", kind_word(there->definition.kind), create.name), fmt::format("DROP {} {} first", kind_upper(there->definition.kind), create.name));
  }
  if (there) return name_taken(create.kind, create.name, there->definition.kind);
  auto& sink = *plan.sink;
  auto prefix = context.overrides.find("ksql.output.topic.name.prefix");
  if (prefix != context.overrides.end() && !given(create.properties, "KAFKA_TOPIC")) sink.topic = prefix->second + sink.topic;
  unwrap_by_default(context.overrides, create.properties, sink);
  TRY(check_no_circle(context.tenant, plan.source.topic, sink.topic));
  sink.written_by = fmt::format("{}_{}_{}", create.kind == sql::SourceKind::table ? "CTAS" : "CSAS", upper(create.name), catalog_.next_number(context.tenant));
  auto partitions = plan.sink_partitions;
  if (!partitions && !catalog_.find_topic(context.tenant, sink.topic)) {
    auto from = catalog_.find_topic(context.tenant, plan.source.topic);
    partitions = from ? from->partitions : 1;
  }
  TRY_ASSIGN(changes, topic_changes(context.tenant, sink, partitions, create.properties));
  bool topic_made = !changes.empty();
  return start_query(context, plan, std::move(changes), topic_made);
}

Statements::Answer Statements::start_query(Context context, const sql::QueryPlan& plan, std::vector<Change> changes, bool topic_made) {
  auto& sink = *plan.sink;
  auto id = sink.written_by;
  catalog::Query query;
  query.tenant = context.tenant;
  query.id = id;
  query.statement = context.statement.text;
  query.sink = sink.name;
  query.sources = {plan.source.name};
  query.from_earliest = from_earliest(context.overrides);
  query.properties = context.overrides;
  changes.push_back(catalog::PutSource{context.tenant, sink, false});
  changes.push_back(catalog::PutQuery{std::move(query)});
  TRY(catalog_.change_and_wait(std::move(changes)));
  auto started = queries_.start(catalog_.find_query(context.tenant, id));
  if (!started) {  // nothing has run: take the definitions back
    std::vector<Change> undo{catalog::DropQuery{context.tenant, id}, catalog::DropSource{context.tenant, sink.name}};
    if (topic_made) undo.push_back(catalog::DeleteTopic{context.tenant, sink.topic});
    TRY(catalog_.change_and_wait(std::move(undo)));
    return started.error();
  }
  CommandAnswer answer{fmt::format("{}/`{}`/create", kind_word(sink.kind), sink.name), fmt::format("Created query with ID {}", id), id, catalog_.next_number(context.tenant)};
  return current_status(answer, context.statement.text);
}

// Stops the task first: if we die in between, the query runs again after the restart, and nothing is lost.
Result<void> Statements::end_query(TenantId tenant, const std::shared_ptr<const catalog::Query>& query) {
  waited<bool>([&](auto done) { queries_.terminate(tenant, query->id, [done]() mutable { done(true); }); });
  std::vector<Change> changes{catalog::DropQuery{tenant, query->id}};
  if (auto sink = catalog_.find_source(tenant, query->sink); sink && sink->definition.written_by == query->id) {
    auto definition = sink->definition;
    definition.written_by.clear();
    changes.push_back(catalog::PutSource{tenant, std::move(definition), true});
  }
  TRY(catalog_.change_and_wait(std::move(changes)));
  return {};
}

Statements::Answer Statements::terminate(Context context, const sql::Terminate& terminate) {
  auto ended = catalog_.queries(context.tenant);
  if (!terminate.id.empty()) {
    auto query = catalog_.find_query(context.tenant, terminate.id);
    if (!query) return fail(Code::not_found, fmt::format("Unknown queryId: {}", terminate.id), "SHOW QUERIES lists the queries that run");
    ended = {query};
  }
  for (auto& query : ended) TRY(end_query(context.tenant, query));
  CommandAnswer answer{fmt::format("terminate/{}/execute", terminate.id.empty() ? "ALL" : terminate.id), terminate.id.empty() ? "All queries terminated." : "Query terminated.", terminate.id, catalog_.next_number(context.tenant)};
  return current_status(answer, context.statement.text);
}

// --- DROP

Result<void> Statements::check_unused(TenantId tenant, const std::string& source, std::string_view verb) {
  std::vector<std::string> readers, writers;
  for (auto& query : catalog_.queries(tenant)) {
    bool reads = std::find(query->sources.begin(), query->sources.end(), source) != query->sources.end();
    if (reads) readers.push_back(query->id);
    if (query->sink == source) writers.push_back(query->id);
  }
  if (readers.empty() && writers.empty()) return {};
  auto all = readers;
  all.insert(all.end(), writers.begin(), writers.end());
  return fail(Code::invalid, fmt::format("Cannot {} {}.\nThe following queries read from this source: [{}].\nThe following queries write into this source: [{}].\nYou need to terminate them before {}.", verb, source, joined(readers), joined(writers), verb == "drop" ? "dropping " + source : "replacing it"),
              fmt::format("TERMINATE {}; and try again", joined(all)));
}

Statements::Answer Statements::drop(Context context, const sql::Drop& drop) {
  auto there = catalog_.find_source(context.tenant, drop.name);
  if (!there && drop.if_exists) return warning(fmt::format("Source `{}` does not exist.", drop.name), context.statement.text);
  if (!there) return fail(Code::not_found, fmt::format("{} {} does not exist", kind_name(drop.kind), drop.name), "use IF EXISTS, or SHOW STREAMS and SHOW TABLES to see what exists");
  if (there->definition.kind != drop.kind) {
    return fail(Code::invalid, fmt::format("Incompatible data source type is {}, but statement was DROP {}", kind_upper(there->definition.kind), kind_upper(drop.kind)), fmt::format("write DROP {} {}", kind_upper(there->definition.kind), drop.name));
  }
  TRY(check_unused(context.tenant, drop.name, "drop"));
  std::vector<Change> changes{catalog::DropSource{context.tenant, drop.name}};
  if (drop.delete_topic && catalog_.find_topic(context.tenant, there->definition.topic)) changes.push_back(catalog::DeleteTopic{context.tenant, there->definition.topic});
  TRY(catalog_.change_and_wait(std::move(changes)));
  CommandAnswer answer{fmt::format("{}/{}/drop", kind_word(drop.kind), drop.name), fmt::format("Source `{}` (topic: {}) was dropped.", drop.name, there->definition.topic), {}, catalog_.next_number(context.tenant)};
  return current_status(answer, context.statement.text);
}

// --- the rest

Statements::Answer Statements::insert(Context context, const sql::InsertValues& insert) {
  auto target = catalog_.find_source(context.tenant, insert.target);
  if (!target) return fail(Code::not_found, fmt::format("Cannot insert values into an unknown stream/table: {}", sql::quoted(insert.target)), "SHOW STREAMS and SHOW TABLES list what exists");
  TRY_ASSIGN(bound, sql::bind_insert(insert, target->definition));
  auto written = waited<Result<void>>([&](auto done) { queries_.insert(context.tenant, target->definition, std::move(bound.row), bound.rowtime_ms, std::move(done)); });
  if (!written) return written.error();
  return std::string();
}

Statements::Answer Statements::set(Context context, const sql::SetProperty& set) {
  TRY(check_override(set.name, set.value));
  context.overrides[plain_name(set.name)] = set.value;
  return std::string();
}

Statements::Answer Statements::explain(Context context, const sql::Explain& explain) {
  auto& text = context.statement.text;
  if (!explain.statement) return explain_query(shelf(context.tenant), explain.id, text);
  CatalogSources sources(catalog_, context.tenant);
  auto& body = explain.statement->body;
  if (auto* create = std::get_if<sql::CreateAs>(&body)) {
    TRY_ASSIGN(plan, sql::bind_create_as(*create, sources, explain.statement->text));
    return explain_plan(plan, explain.statement->text, text);
  }
  auto* select = std::get_if<sql::Select>(&body);
  if (!select) return fail(Code::invalid, "The provided statement does not run a ksql query", "EXPLAIN a SELECT, a CREATE ... AS SELECT or the id of a query");
  TRY_ASSIGN(plan, sql::bind_query(*select, sources, {select->emit_changes ? sql::QueryForm::push : sql::QueryForm::pull}));
  return explain_plan(plan, explain.statement->text, text);
}

}  // namespace tidemill::serve::ksql
