// Executes statements other than SELECT: definitions go to the catalogue in one atomic change each, queries are started and ended,
// rows are inserted, the rest is answered from what is there.
//
// Calls block until the change is durable, so they belong on a pool's thread. Definitions are made one at a time; inserts and
// questions run beside them.
#pragma once

#include <expected>
#include <mutex>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "flow/queries.h"
#include "serve/ksql/entities.h"
#include "serve/ksql/errors.h"
#include "serve/ksql/request.h"
#include "sql/sql.h"

namespace tidemill::serve::ksql {

// The binder's view of one tenant's catalogue. Keeps what it handed out alive.
class CatalogSources : public sql::SourceResolver {
 public:
  CatalogSources(const catalog::Catalog& catalog, TenantId tenant) : catalog_(catalog), tenant_(tenant) {}
  const sql::Source* find_source(std::string_view name) const override;

 private:
  const catalog::Catalog& catalog_;
  TenantId tenant_;
  mutable std::vector<std::shared_ptr<const catalog::Source>> held_;
};

class Statements {
 public:
  Statements(catalog::Catalog& catalog, flow::Queries& queries) : catalog_(catalog), queries_(queries) {}

  // The JSON array of entities. Statements before a refused one stay executed; their entities are in the refusal.
  std::expected<std::string, Refused> run(TenantId tenant, const std::string& sql, Overrides overrides);

 private:
  // One entity as JSON, or empty for statements that answer nothing.
  using Answer = Result<std::string>;
  struct Context {
    TenantId tenant;
    const sql::ParsedStatement& statement;
    Overrides& overrides;
  };

  Answer execute(Context context);
  Answer create_source(Context context, const sql::CreateSource& create);
  Answer create_as(Context context, const sql::CreateAs& create);
  Answer start_query(Context context, const sql::QueryPlan& plan, std::vector<catalog::Change> changes, bool topic_made);
  Answer insert(Context context, const sql::InsertValues& insert);
  Answer drop(Context context, const sql::Drop& drop);
  Answer terminate(Context context, const sql::Terminate& terminate);
  Answer explain(Context context, const sql::Explain& explain);
  Answer set(Context context, const sql::SetProperty& set);

  Result<void> end_query(TenantId tenant, const std::shared_ptr<const catalog::Query>& query);
  Result<void> check_unused(TenantId tenant, const std::string& source, std::string_view verb);
  Result<void> check_no_circle(TenantId tenant, const std::string& from, const std::string& to);
  // What has to be made for a source's topic: nothing when it is there and fits.
  Result<std::vector<catalog::Change>> topic_changes(TenantId tenant, const sql::Source& source, std::optional<std::int32_t> partitions,
                                                     const std::vector<sql::Property>& properties);
  Shelf shelf(TenantId tenant) const { return {catalog_, queries_, tenant}; }

  catalog::Catalog& catalog_;
  flow::Queries& queries_;
  std::mutex defining_;
};

}  // namespace tidemill::serve::ksql
