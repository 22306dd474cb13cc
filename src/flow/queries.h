// The queries that run: persistent ones (CREATE ... AS SELECT), push queries of clients, and pull answers from their state.
//
// A persistent query reads its input streams in (JSN, index) order, appends {output, input positions} atomically, and keeps its state as a
// snapshot plus exact replay with output suppressed; killed at any moment it goes on to the same output, byte for byte.
// Each query is a task on one shard; calls here are thread-safe and post to it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/catalog.h"
#include "log/log.h"
#include "record/types.h"
#include "sql/plan.h"
#include "world/clock.h"
#include "world/disk.h"

namespace tidemill::runtime {
class Shards;
}

namespace tidemill::flow {

struct QueryOptions {
  std::string dir;  // snapshots live in dir/<tenant>-<positions stream>/
  std::size_t batch_rows_max = 8192;
  std::size_t state_bytes_max = 4ull << 30;  // of one query; beyond it the query ends in error
  std::int64_t snapshot_interval_ms = 10000;
  std::string processing_log_topic = "default_ksql_processing_log";  // <service id>ksql_processing_log; made per tenant when first needed
};

enum class QueryState : std::uint8_t { running, error, stopped };
struct QueryStatus {
  std::string id;
  QueryState state = QueryState::running;
  std::string error;
  std::uint64_t rows_in = 0, rows_out = 0, rows_bad = 0;
  std::uint64_t state_bytes = 0;
  std::int64_t lag_records = 0;
};

struct ResultRow {
  record::Row columns;     // in plan.outputs order
  bool tombstone = false;  // table results: the key's row went away
};

// What a push query delivers, on the query's shard. `rows` says whether it wants more at once, only after resume(), or none (client gone).
enum class Wanted : std::uint8_t { more, after_resume, none };
struct PushSink {
  std::move_only_function<Wanted(std::vector<ResultRow>)> rows;
  std::move_only_function<void(Result<void>)> end;  // exactly once, last; an empty result is "limit reached" or cancelled
};

class PushQuery {
 public:
  virtual ~PushQuery() = default;  // cancels
  virtual void resume() = 0;       // from any thread, after Wanted::after_resume
};

class Queries {
 public:
  virtual ~Queries() = default;

  // Starts every query of the catalogue.
  static Result<std::unique_ptr<Queries>> open(log::Log& log, catalog::Catalog& catalog, world::Disk& disk, world::Clock& clock,
                                               runtime::Shards& shards, QueryOptions options);
  // Finishes what is in flight, snapshots, stops every task. Blocking; idempotent.
  virtual void stop() = 0;

  // The catalogue already holds it (and its sink topic).
  virtual Result<void> start(std::shared_ptr<const catalog::Query> query) = 0;
  // Stops the task and removes its snapshots. The catalogue entry is the caller's.
  virtual void terminate(TenantId tenant, const std::string& id, std::move_only_function<void()> done) = 0;
  virtual std::vector<QueryStatus> statuses(TenantId tenant) const = 0;

  // Rows of a table made by CREATE TABLE AS, as its query's state has them now. Key equality in WHERE is a lookup, else a scan. A stream is
  // read by push().
  virtual void pull(TenantId tenant, std::shared_ptr<const sql::QueryPlan> plan,
                    std::move_only_function<void(Result<std::vector<ResultRow>>)> done) = 0;

  // A plan of form `pull` (over a stream) reads from the beginning and ends at the present end.
  virtual Result<std::unique_ptr<PushQuery>> push(TenantId tenant, std::shared_ptr<const sql::QueryPlan> plan, bool from_earliest,
                                                  PushSink sink) = 0;

  // INSERT INTO ... VALUES: `row` holds one value per column of the source (key first), NULL where not given.
  virtual void insert(TenantId tenant, const sql::Source& source, record::Row row, std::optional<std::int64_t> rowtime_ms,
                      std::move_only_function<void(Result<void>)> done) = 0;
};

// One value as ksqlDB's REST prints it: numbers plain (DECIMAL exact, DOUBLE in Java's form), DATE/TIME/TIMESTAMP as ISO text, BYTES Base64.
void append_json(std::string& out, const record::Value& value, const record::Type& type);

}  // namespace tidemill::flow
