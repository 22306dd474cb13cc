// KsqlServer: ksqlDB's REST interface (docs/sql.md). Statements over POST /ksql, pull and push queries over POST /query and
// POST /query-stream, and the small pages that clients ask for first.
//
//   KsqlServer server(net, shards, catalog, queries, std::move(options));
//   TRY_ASSIGN(address, server.start({"127.0.0.1", 8088}));  ...  server.stop();
//
// Owned by app, which stops it before the queries and the catalogue it uses. Statements run on a pool of its own, since they wait
// for the disk; queries live on the shard of their connection and end when the client goes.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "catalog/catalog.h"
#include "flow/queries.h"
#include "runtime/pool.h"
#include "serve/http/http_server.h"
#include "serve/ksql/push_rows.h"
#include "serve/ksql/request.h"
#include "serve/ksql/row_writer.h"
#include "serve/ksql/statements.h"

namespace tidemill::serve::ksql {

struct KsqlOptions {
  std::string version = "0.29.0";  // of the dialect and protocol: clients choose what they send by it
  std::string cluster_id = "tidemill";
  std::string service_id = "default_";
  std::size_t push_queries_max = 100;
  std::size_t threads = 4;          // statements at once
  std::size_t waiting_max = 1000;   // and waiting for a thread; more are answered "busy"
  HttpServerOptions http{};         // limits; name, address and shape of errors are set here
};

class KsqlServer {
 public:
  KsqlServer(world::Net& net, runtime::Shards& shards, catalog::Catalog& catalog, flow::Queries& queries, KsqlOptions options);
  ~KsqlServer();  // stops

  // The address with its real port. Code::busy when it is in use.
  Result<world::Address> start(world::Address address);
  void stop();

 private:
  Task<void> run_statements(Request request, ResponseStream& out);
  Task<void> run_query(Request request, ResponseStream& out, bool stream_form);
  Task<void> pull(std::shared_ptr<const sql::QueryPlan> plan, RowWriter writer, ResponseStream& out);
  Task<void> push(std::shared_ptr<const sql::QueryPlan> plan, RowWriter writer, bool earliest, ResponseStream& out);
  Task<void> deliver(std::shared_ptr<PushRows> rows, RowWriter writer, ResponseStream& out);
  std::expected<std::shared_ptr<const sql::QueryPlan>, Refused> plan_query(const QueryRequest& request);
  Task<Response> close_query(Request request);
  void add_pages();

  world::Net& net_;
  runtime::Shards& shards_;
  catalog::Catalog& catalog_;
  flow::Queries& queries_;
  KsqlOptions options_;
  Statements statements_;
  runtime::Pool pool_;
  std::unique_ptr<HttpServer> http_;
  std::atomic<std::int64_t> queries_made_ = 0;

  // Push queries that run, for /close-query.
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<PushRows>> pushing_;
};

}  // namespace tidemill::serve::ksql
