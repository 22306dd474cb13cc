#include "serve/ksql/row_writer.h"

#include <nlohmann/json.hpp>

#include "sql/sql.h"

namespace tidemill::serve::ksql {

using json = nlohmann::ordered_json;

namespace {
std::string text_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }
}  // namespace

const char* RowWriter::content_type() const { return form_ == Form::envelope ? "application/vnd.ksql.v1+json" : "application/vnd.ksqlapi.delimited.v1"; }

// A push query's lines are whole when they are written, so that whoever reads line by line sees each row at once: the comma follows.
// Those of a pull query have it before them, since its last row is not known to be the last.
std::string RowWriter::header(const std::string& query_id) const {
  if (form_ == Form::envelope) return "[" + text_of({{"header", {{"queryId", query_id}, {"schema", sql::schema_text(*plan_)}}}}) + after();
  auto names = json::array(), types = json::array();
  for (auto& output : plan_->outputs) {
    names.push_back(output.name);
    types.push_back(output.type.text());
  }
  return text_of({{"queryId", query_id}, {"columnNames", names}, {"columnTypes", types}}) + "\n";
}

void RowWriter::append(std::string& out, const flow::ResultRow& row) const {
  if (form_ == Form::delimited && row.tombstone) return;
  if (form_ == Form::envelope) out += before();
  out += form_ == Form::envelope ? "{\"row\":{\"columns\":[" : "[";
  for (std::size_t i = 0; i < row.columns.size(); ++i) {
    if (i > 0) out += ',';
    flow::append_json(out, row.columns[i], plan_->outputs[i].type);
  }
  out += ']';
  if (form_ == Form::delimited) return out.push_back('\n');
  out += row.tombstone ? ",\"tombstone\":true}}" : "}}";
  out += after();
}

std::string RowWriter::final_message(const std::string& message) const {
  return form_ == Form::envelope && pushes() ? text_of({{"finalMessage", message}}) : std::string();
}

std::string RowWriter::error(const Refused& refused) const {
  return form_ == Form::envelope ? before() + ("{\"errorMessage\":" + refused.json()) + "}" : refused.json() + "\n";
}

}  // namespace tidemill::serve::ksql
