#include "connect/postgres/schema_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace tidemill::connect::postgres {
namespace {

template <class T>
T number(std::string_view text) {
  T value{};
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Domains are followed down to the type they stand for; the nearest modifier on the way counts.
constexpr const char* types_sql = R"(
WITH RECURSIVE chain(asked, oid, modifier) AS (
  SELECT oid, oid, -1 FROM pg_catalog.pg_type WHERE oid = ANY ($1::oid[])
  UNION ALL
  SELECT c.asked, t.typbasetype, CASE WHEN c.modifier >= 0 THEN c.modifier ELSE t.typtypmod END
  FROM chain c JOIN pg_catalog.pg_type t ON t.oid = c.oid WHERE t.typtype = 'd')
SELECT c.asked, t.oid, t.typname, t.typtype, CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END, c.modifier,
  (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid)
FROM chain c JOIN pg_catalog.pg_type t ON t.oid = c.oid WHERE t.typtype <> 'd')";

constexpr const char* attributes_sql = R"(
SELECT attname, NOT attnotnull FROM pg_catalog.pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped)";

// A change of a table whose replica identity is an index carries that index's columns of the old row, and no others: the key must be
// made of them, or a delete would have none.
constexpr const char* key_sql = R"(
SELECT a.attname FROM pg_catalog.pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(attnum, n)
JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = $1::oid AND CASE WHEN $2 = 'i' THEN i.indisreplident ELSE i.indisprimary END AND k.n <= i.indnkeyatts ORDER BY k.n)";

constexpr const char* columns_sql = R"(
SELECT a.attname, a.atttypid, a.atttypmod, n.nspname, c.relname, c.relreplident FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
AND ($2 = '' OR a.attname = ANY (CASE WHEN $2 = '' THEN '{}' ELSE $2 END::name[])) ORDER BY a.attnum)";

// Positions of the key's columns, or none when one of them is not among the columns.
std::vector<std::size_t> find_key(const std::vector<Column>& columns, const std::vector<std::string>& names) {
  std::vector<std::size_t> key;
  for (auto& name : names) {
    auto at = std::find_if(columns.begin(), columns.end(), [&](auto& c) { return c.name == name; });
    if (at == columns.end()) return {};
    key.push_back(static_cast<std::size_t>(at - columns.begin()));
  }
  return key;
}

// A table that is gone has no primary key to ask for; its replica identity stands in, unless that is the whole row.
std::vector<std::size_t> identity_key(const RelationMessage& relation) {
  std::vector<std::size_t> key;
  if (relation.identity == 'f') return key;
  for (std::size_t i = 0; i < relation.columns.size(); ++i)
    if (relation.columns[i].key) key.push_back(i);
  return key;
}

}  // namespace

Result<std::map<std::uint32_t, PgType>> SchemaReader::types(const std::string& oids) {
  TRY_ASSIGN(rows, sql_.query(types_sql, {"{" + oids + "}"}));
  std::map<std::uint32_t, PgType> types;
  for (int i = 0; i < rows.size(); ++i) {
    auto& type = types[number<std::uint32_t>(rows.at(i, 0))];
    type.oid = number<std::uint32_t>(rows.at(i, 1));
    type.name = rows.text(i, 2);
    type.kind = rows.at(i, 3).front();
    type.element = number<std::uint32_t>(rows.at(i, 4));
    type.modifier = number<std::int32_t>(rows.at(i, 5));
    type.labels = rows.text(i, 6);
  }
  return types;
}

Result<std::map<std::uint32_t, PgType>> SchemaReader::types_of(const RelationMessage& relation) {
  std::string oids;
  for (auto& column : relation.columns) oids += fmt::format("{}{}", oids.empty() ? "" : ",", column.type);
  TRY_ASSIGN(found, types(oids));
  std::string elements;
  for (auto& [oid, type] : found)
    if (type.element != 0) elements += fmt::format("{}{}", elements.empty() ? "" : ",", type.element);
  if (elements.empty()) return found;
  TRY_ASSIGN(more, types(elements));
  found.merge(more);
  return found;
}

Result<SchemaReader::Attributes> SchemaReader::attributes(std::uint32_t oid, char identity) {
  Attributes out;
  TRY_ASSIGN(rows, sql_.query(attributes_sql, {std::to_string(oid)}));
  for (int i = 0; i < rows.size(); ++i) out.nullable.emplace(rows.text(i, 0), rows.at(i, 1) == "t");
  TRY_ASSIGN(key, sql_.query(key_sql, {std::to_string(oid), std::string(1, identity)}));
  for (int i = 0; i < key.size(); ++i) out.key.push_back(key.text(i, 0));
  return out;
}

Column SchemaReader::column(const RelationColumn& from, const std::map<std::uint32_t, PgType>& types, const std::string& table) {
  Column column;
  column.name = from.name;
  column.oid = from.type;
  auto found = types.find(from.type);
  if (found == types.end()) {
    column.type.known = false;
  } else {
    auto element = found->second.element == 0 ? types.end() : types.find(found->second.element);
    column.type = choose_type(found->second, from.modifier, element == types.end() ? nullptr : &element->second, modes_);
    column.oid = found->second.oid;
  }
  if (!column.type.known)
    warn_(fmt::format("column {} of {} has type {}, for which there is no mapping: it is captured as text", column.name, table,
                      found == types.end() ? std::to_string(from.type) : found->second.name));
  return column;
}

Result<std::shared_ptr<const Table>> SchemaReader::table_of(const RelationMessage& relation) {
  auto table = std::make_shared<Table>();
  table->oid = relation.relation;
  table->schema = relation.schema;
  table->name = relation.table;
  table->identity = relation.identity;
  TRY_ASSIGN(types, types_of(relation));
  TRY_ASSIGN(known, attributes(relation.relation, relation.identity));
  for (auto& from : relation.columns) {
    table->columns.push_back(column(from, types, table->full_name()));
    auto found = known.nullable.find(from.name);
    table->columns.back().optional = found == known.nullable.end() || found->second;
  }
  table->key = known.nullable.empty() ? identity_key(relation) : find_key(table->columns, known.key);
  return std::shared_ptr<const Table>(std::move(table));
}

Result<std::shared_ptr<const Table>> SchemaReader::table_now(std::uint32_t oid, const std::string& columns) {
  TRY_ASSIGN(rows, sql_.query(columns_sql, {std::to_string(oid), columns}));
  if (rows.size() == 0) return std::shared_ptr<const Table>();
  RelationMessage relation;
  relation.relation = oid;
  relation.schema = rows.at(0, 3);
  relation.table = rows.at(0, 4);
  relation.identity = rows.at(0, 5).front();
  for (int i = 0; i < rows.size(); ++i)
    relation.columns.push_back({false, rows.at(i, 0), number<std::uint32_t>(rows.at(i, 1)), number<std::int32_t>(rows.at(i, 2))});
  return table_of(relation);
}

}  // namespace tidemill::connect::postgres
