// CREATE STREAM|TABLE, declared or AS SELECT.
#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "sql/bind_expression.h"
#include "sql/properties.h"
#include "sql/sql.h"

namespace tidemill::sql {

namespace {

[[noreturn]] void refuse(Position at, std::string message, std::string hint = {}) { throw Refusal{fail(Code::invalid, located(at, message), std::move(hint))}; }
[[noreturn]] void refuse(std::string message, std::string hint) { throw Refusal{fail(Code::invalid, std::move(message), std::move(hint))}; }

void check_column(const ColumnDefinition& column, SourceKind kind) {
  static const std::set<std::string_view> reserved = {"ROWTIME", "ROWPARTITION", "ROWOFFSET", "WINDOWSTART", "WINDOWEND"};
  if (reserved.contains(column.name)) refuse(column.at, fmt::format("'{}' is a reserved column name. You cannot use it as a name for a column.", column.name), "choose another name");
  if (column.primary && kind == SourceKind::stream) {
    refuse(column.at, fmt::format("Column `{}` is a 'PRIMARY KEY' column: please use 'KEY' for streams.\nTables have PRIMARY KEYs, which are unique and NON NULL.\nStreams have KEYs, which have no uniqueness or NON NULL constraints.", column.name));
  }
  if (column.key && !column.primary && kind == SourceKind::table) {
    refuse(column.at, fmt::format("Column `{}` is a 'KEY' column: please use 'PRIMARY KEY' for tables.\nTables have PRIMARY KEYs, which are unique and NON NULL.\nStreams have KEYs, which have no uniqueness or NON NULL constraints.", column.name));
  }
}

std::vector<Column> bound_columns(const CreateSource& create) {
  std::vector<Column> keys, values;
  std::set<std::string_view> names;
  for (auto& column : create.columns) {
    check_column(column, create.kind);
    if (!names.insert(column.name).second) refuse(column.at, fmt::format("Duplicate column names: {}", column.name), "give each column its own name");
    (column.key ? keys : values).push_back({column.name, column.type, column.key ? ColumnRole::key : ColumnRole::value});
  }
  if (create.columns.empty()) refuse("The statement does not define any columns.", "name the columns: CREATE ... name (column type, ...) WITH (...)");
  if (keys.empty() && create.kind == SourceKind::table) refuse("Tables require a PRIMARY KEY. Please define the PRIMARY KEY.", "write PRIMARY KEY after the type of the key column");
  keys.insert(keys.end(), values.begin(), values.end());
  return keys;
}

// "20 SECONDS" -> ms, by the parser's own rule for WINDOW TUMBLING (SIZE 20 SECONDS).
std::int64_t window_size_ms(const std::string& text, const Properties& properties) {
  auto parsed = parse("SELECT A FROM B WINDOW TUMBLING (SIZE " + text + ");");
  if (!parsed || parsed->size() != 1) properties.refuse("WINDOW_SIZE", fmt::format("Invalid WINDOW_SIZE property: {}", text), "write a number and a unit, such as '20 SECONDS'");
  return std::get<Select>(parsed->front().body).window->size_ms;
}

void apply_window(Source& source, const Properties& properties) {
  auto type = properties.text("WINDOW_TYPE");
  auto size = properties.text("WINDOW_SIZE");
  if (!type) {
    if (size) properties.refuse("WINDOW_SIZE", "WINDOW_SIZE needs a WINDOW_TYPE.", "add WINDOW_TYPE='TUMBLING'");
    return;
  }
  if (*type != "TUMBLING" && *type != "tumbling") throw Refusal{fail(Code::unsupported, fmt::format("WINDOW_TYPE='{}' is not supported yet", *type), "TUMBLING is")};
  if (!size) properties.refuse("WINDOW_TYPE", "TUMBLING windows require 'WINDOW_SIZE' to be provided in the WITH clause. For example: 'WINDOW_SIZE'='10 SECONDS'");
  if (source.columns.front().role != ColumnRole::key) properties.refuse("WINDOW_TYPE", "Windowed sources require a key column.", "write KEY after the type of the key column");
  source.window = Window{window_size_ms(*size, properties)};
}

BoundSource bind_declared(const CreateSource& create, std::string_view text) {
  Properties properties(create.properties, false);
  BoundSource result;
  auto& source = result.source;
  source.name = create.name;
  source.kind = create.kind;
  source.columns = bound_columns(create);
  source.statement = text;
  auto topic = properties.text("KAFKA_TOPIC");
  if (!topic) refuse("Missing required property \"KAFKA_TOPIC\" which has no default value.", "add KAFKA_TOPIC='name' to the WITH clause");
  source.topic = *topic;
  auto value_format = properties.format("VALUE_FORMAT");
  if (!value_format) {
    refuse("Statement is missing the 'VALUE_FORMAT' property from the WITH clause. Either provide one or set a default via the 'ksql.persistence.default.format.value' config.",
           "add VALUE_FORMAT='JSON' to the WITH clause");
  }
  source.value_format = *value_format;
  source.key_format = properties.format("KEY_FORMAT").value_or(Format::kafka);
  source.wrap_single_value = properties.flag("WRAP_SINGLE_VALUE").value_or(source.value_format != Format::kafka);
  check_formats(source, properties);
  apply_timestamp(source, properties);
  apply_window(source, properties);
  result.partitions = properties.partitions();
  result.primary_key = create.kind == SourceKind::table;
  return result;
}

void check_result(const CreateAs& create, const QueryPlan& plan) {
  if (plan.result == create.kind) return;
  bool table = plan.result == SourceKind::table;
  refuse(fmt::format("Invalid result type. Your SELECT query produces a {}. Please use CREATE {} AS SELECT statement instead.", table ? "TABLE" : "STREAM", table ? "TABLE" : "STREAM"),
         fmt::format("write CREATE {} {} AS SELECT ...", table ? "TABLE" : "STREAM", written(create.name)));
}

Format sink_key_format(const QueryPlan& plan, const Properties& properties) {
  if (auto given = properties.format("KEY_FORMAT")) return *given;
  bool rekeyed = plan.grouped || !plan.partition_by.empty();
  return plan.source.key_format == Format::none && rekeyed ? Format::kafka : plan.source.key_format;
}

Source bound_sink(const CreateAs& create, const QueryPlan& plan, const Properties& properties, std::string_view text) {
  Source sink;
  sink.name = create.name;
  sink.kind = create.kind;
  sink.statement = text;
  for (auto& output : plan.outputs) sink.columns.push_back({output.name, output.type, output.role});
  sink.topic = properties.text("KAFKA_TOPIC").value_or(create.name);
  sink.key_format = sink_key_format(plan, properties);
  auto inherited = plan.source.value_format == Format::debezium_json ? Format::json : plan.source.value_format;
  sink.value_format = properties.format("VALUE_FORMAT").value_or(inherited);
  if (sink.value_format == Format::debezium_json) properties.refuse("VALUE_FORMAT", "The 'DEBEZIUM_JSON' format is for reading only.", "use VALUE_FORMAT='JSON'");
  sink.wrap_single_value = properties.flag("WRAP_SINGLE_VALUE").value_or(sink.value_format != Format::kafka);
  if (plan.window) sink.window = Window{plan.window->size_ms};
  else if (plan.partition_by.empty() && !plan.grouped) sink.window = plan.source.window;
  check_formats(sink, properties);
  apply_timestamp(sink, properties);
  return sink;
}

}  // namespace

Result<BoundSource> bind_create(const CreateSource& create, std::string_view statement_text) {
  try {
    return bind_declared(create, statement_text);
  } catch (Refusal& refusal) {
    return std::move(refusal.error);
  }
}

Result<QueryPlan> bind_create_as(const CreateAs& create, const SourceResolver& sources, std::string_view statement_text) {
  try {
    Properties properties(create.properties, true);
    TRY_ASSIGN(plan, bind_query(create.select, sources, {QueryForm::persistent, create.name}));
    check_result(create, plan);
    plan.sink = bound_sink(create, plan, properties, statement_text);
    plan.sink_partitions = properties.partitions();
    return plan;
  } catch (Refusal& refusal) {
    return std::move(refusal.error);
  }
}

Result<QueryPlan> bind_statement(std::string_view statement_text, const SourceResolver& sources) {
  TRY_ASSIGN(statements, parse(statement_text));
  auto* create = statements.size() == 1 ? std::get_if<CreateAs>(&statements[0].body) : nullptr;
  if (!create) return fail(Code::invalid, "Not one CREATE STREAM|TABLE ... AS SELECT statement");
  return bind_create_as(*create, sources, statements[0].text);
}

}  // namespace tidemill::sql
