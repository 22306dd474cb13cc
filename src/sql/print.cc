// Names, literals and schemas as ksqlDB's clients print and read them.
#include <fmt/core.h>

#include "sql/bind_expression.h"
#include "sql/sql.h"

namespace tidemill::sql {

using record::Kind;

std::string quoted(std::string_view name) {
  std::string out = "`";
  for (char c : name) {
    if (c == '`') out += '`';
    out += c;
  }
  return out + "`";
}

std::string written(std::string_view name) {
  bool plain = !name.empty() && ((name[0] >= 'A' && name[0] <= 'Z') || name[0] == '_') && !reserved_word(name);
  for (char c : name) plain = plain && ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '@');
  return plain ? std::string(name) : quoted(name);
}

std::string literal_text(const record::Value& value, const record::Type& type) {
  if (value.null()) return "null";
  if (auto* text = std::get_if<std::string>(&value.data)) {
    std::string out = "'";
    for (char c : *text) {
      if (c == '\'') out += '\'';
      out += c;
    }
    return out + "'";
  }
  if (auto* flag = std::get_if<bool>(&value.data)) return *flag ? "true" : "false";
  if (auto* number = std::get_if<double>(&value.data)) {
    auto text = fmt::format("{}", *number);
    return text.find('e') == std::string::npos ? text + "E0" : text;
  }
  if (auto* decimal = std::get_if<record::Decimal>(&value.data)) return record::decimal_text(*decimal, type.scale());
  if (auto* whole = std::get_if<std::int64_t>(&value.data)) return std::to_string(*whole);
  return "?";
}

std::string schema_text(const std::vector<SchemaColumn>& columns) {
  std::string out;
  for (auto& column : columns) {
    if (!out.empty()) out += ", ";
    out += quoted(column.name) + " " + column.type->text();
    if (column.key) out += " KEY";
  }
  return out;
}

std::string schema_text(const Source& source) {
  std::vector<SchemaColumn> columns;
  for (auto& c : source.columns) columns.push_back({c.name, &c.type, c.role == ColumnRole::key});
  return schema_text(columns);
}

std::string schema_text(const QueryPlan& plan) {
  std::vector<SchemaColumn> columns;
  for (auto& o : plan.outputs) columns.push_back({o.name, &o.type, o.role == ColumnRole::key && plan.form != QueryForm::push});
  return schema_text(columns);
}

std::string_view format_name(Format format) {
  switch (format) {
    case Format::none: return "NONE";
    case Format::kafka: return "KAFKA";
    case Format::json: return "JSON";
    case Format::debezium_json: return "DEBEZIUM_JSON";
  }
  return "";
}

}  // namespace tidemill::sql
