// The door of the room: text -> statements -> plans. Nothing here executes, waits or keeps state; all calls are thread-safe.
//
//   TRY_ASSIGN(statements, sql::parse("SELECT * FROM orders EMIT CHANGES;"));
//   TRY_ASSIGN(plan, sql::bind_query(std::get<sql::Select>(statements[0].body), sources, {sql::QueryForm::push}));
//
// Errors are Code::invalid (Code::unsupported for what the dialect has and we do not yet). Messages follow ksqlDB's wording, name
// line:column where there is one, and the hint names the remedy.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "record/types.h"
#include "sql/ast.h"
#include "sql/plan.h"
#include "sql/source.h"

namespace tidemill::sql {

inline constexpr std::size_t text_bytes_max = 1u << 20;
inline constexpr int expression_height_max = 300;     // also how deeply types and parentheses may nest
inline constexpr int expression_nodes_max = 20'000;   // of one query, after the binder has copied CASE operands

// Statements end in ';'; the last one's may be missing.
Result<std::vector<ParsedStatement>> parse(std::string_view text);

struct BindOptions {
  QueryForm form = QueryForm::push;
  std::string sink = {};  // the name of what the query makes, for messages
};
// A SELECT on its own. For QueryForm::persistent it also obeys the rules of CREATE ... AS (key columns first, in the projection).
Result<QueryPlan> bind_query(const Select& select, const SourceResolver& sources, BindOptions options);

// CREATE STREAM|TABLE ... AS SELECT: a plan with its sink. The sink's topic may not exist yet; written_by is left empty.
Result<QueryPlan> bind_create_as(const CreateAs& create, const SourceResolver& sources, std::string_view statement_text);

// The same from a persistent query's text, as the catalogue keeps it.
Result<QueryPlan> bind_statement(std::string_view statement_text, const SourceResolver& sources);

// CREATE STREAM|TABLE name (columns) WITH (...).
struct BoundSource {
  Source source;
  std::optional<std::int32_t> partitions;
  bool primary_key = false;
};
Result<BoundSource> bind_create(const CreateSource& create, std::string_view statement_text);

// One value per column of the source, NULL where not given; values coerced as literals are.
struct InsertedRow {
  record::Row row;
  std::optional<std::int64_t> rowtime_ms;
};
Result<InsertedRow> bind_insert(const InsertValues& insert, const Source& source);

// `ID`, with backquotes doubled: the form clients print and read.
std::string quoted(std::string_view name);
// "`ID` INTEGER KEY, `COUNT` BIGINT". Key markers are left out for push queries.
struct SchemaColumn {
  std::string_view name;
  const record::Type* type;
  bool key;
};
std::string schema_text(const std::vector<SchemaColumn>& columns);
std::string schema_text(const Source& source);
std::string schema_text(const QueryPlan& plan);

}  // namespace tidemill::sql
