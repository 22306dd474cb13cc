// What SHOW, DESCRIBE and EXPLAIN answer, as the JSON objects of the protocol ("@type" and its fields; field names are a contract).
// Made from the catalogue and the running queries; nothing is kept.
#pragma once

#include <string>

#include "base/result.h"
#include "catalog/catalog.h"
#include "flow/queries.h"
#include "serve/ksql/request.h"
#include "sql/sql.h"

namespace tidemill::serve::ksql {

struct Shelf {
  const catalog::Catalog& catalog;
  const flow::Queries& queries;
  TenantId tenant;
};

// Each returns one entity as JSON text.
std::string show(const Shelf& shelf, const sql::Show& what, const std::string& statement, const Overrides& overrides);
Result<std::string> describe(const Shelf& shelf, const sql::Describe& what, const std::string& statement);
Result<std::string> describe_function(const std::string& name, const std::string& statement);
Result<std::string> explain_query(const Shelf& shelf, const std::string& id, const std::string& statement);
std::string explain_plan(const sql::QueryPlan& plan, const std::string& query_text, const std::string& statement);

struct CommandAnswer {
  std::string command_id, message, query_id;
  std::int64_t number = 0;
};
std::string current_status(const CommandAnswer& answer, const std::string& statement);
std::string warning(const std::string& message, const std::string& statement);

}  // namespace tidemill::serve::ksql
