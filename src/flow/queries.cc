#include "flow/queries.h"

#include <condition_variable>
#include <map>

#include "flow/encode.h"
#include "flow/push_query.h"
#include "flow/running_query.h"
#include "flow/snapshot.h"
#include "runtime/shards.h"
#include "sql/sql.h"

namespace tidemill::flow {
namespace {

// The catalogue's sources of one tenant, as the binder wants to see them. Keeps what it has shown alive.
class TenantSources : public sql::SourceResolver {
 public:
  TenantSources(const catalog::Catalog& catalog, TenantId tenant) : catalog_(catalog), tenant_(tenant) {}
  const sql::Source* find_source(std::string_view name) const override {
    auto found = catalog_.find_source(tenant_, name);
    if (!found) return nullptr;
    shown_.push_back(found);
    return &found->definition;
  }

 private:
  const catalog::Catalog& catalog_;
  TenantId tenant_;
  mutable std::vector<std::shared_ptr<const catalog::Source>> shown_;
};

class Client : public PushQuery {
 public:
  explicit Client(std::shared_ptr<PushTask> task) : task_(std::move(task)) {}
  ~Client() override { task_->cancel(); }
  void resume() override { task_->resume(); }

 private:
  std::shared_ptr<PushTask> task_;
};

std::vector<StreamId> streams_of(const catalog::Topic& topic) {
  std::vector<StreamId> out;
  for (std::int32_t p = 0; p < topic.partitions; ++p) out.push_back(topic.stream(p));
  return out;
}

class QueriesHere : public Queries {
 public:
  QueriesHere(log::Log& log, catalog::Catalog& catalog, world::Disk& disk, world::Clock& clock, runtime::Shards& shards, QueryOptions options)
      : log_(log), catalog_(catalog), disk_(disk), clock_(clock), shards_(shards), options_(std::move(options)) {}
  ~QueriesHere() override { stop(); }

  void stop() override;
  Result<void> start(std::shared_ptr<const catalog::Query> query) override;
  void terminate(TenantId tenant, const std::string& id, std::move_only_function<void()> done) override;
  std::vector<QueryStatus> statuses(TenantId tenant) const override;
  void pull(TenantId tenant, std::shared_ptr<const sql::QueryPlan> plan, std::move_only_function<void(Result<std::vector<ResultRow>>)> done) override;
  Result<std::unique_ptr<PushQuery>> push(TenantId tenant, std::shared_ptr<const sql::QueryPlan> plan, bool from_earliest, PushSink sink) override;
  void insert(TenantId tenant, const sql::Source& source, record::Row row, std::optional<std::int64_t> rowtime_ms,
              std::move_only_function<void(Result<void>)> done) override;

 private:
  using Key = std::pair<TenantId, std::string>;
  Result<TaskSpec> spec_of(const catalog::Query& query);
  StreamId processing_log(TenantId tenant);
  Result<std::shared_ptr<const catalog::Topic>> topic_of(TenantId tenant, const std::string& name) const;
  Result<std::shared_ptr<PushTask>> transient(TenantId tenant, std::shared_ptr<const sql::QueryPlan> plan, bool from_earliest, bool until_now, PushSink sink);
  std::shared_ptr<RunningQuery> maker_of(TenantId tenant, const sql::Source& table) const;

  log::Log& log_;
  catalog::Catalog& catalog_;
  world::Disk& disk_;
  world::Clock& clock_;
  runtime::Shards& shards_;
  QueryOptions options_;

  mutable std::mutex mutex_;
  std::map<Key, std::shared_ptr<RunningQuery>> running_;
  std::map<Key, QueryStatus> refused_;  // could not even be bound
  bool stopped_ = false;
};

Result<std::shared_ptr<const catalog::Topic>> QueriesHere::topic_of(TenantId tenant, const std::string& name) const {
  auto topic = catalog_.find_topic(tenant, name);
  if (!topic) return fail(Code::not_found, "topic \"" + name + "\" does not exist", "create it first");
  return topic;
}

// Visible to find_topic at once; made durable before anything that is appended to it.
StreamId QueriesHere::processing_log(TenantId tenant) {
  auto topic = catalog_.find_topic(tenant, options_.processing_log_topic);
  if (!topic) {
    catalog::CreateTopic create;
    create.tenant = tenant;
    create.name = options_.processing_log_topic;
    catalog_.change({create}, [](auto) {});  // somebody else may just have made it: either way it is there now
    topic = catalog_.find_topic(tenant, options_.processing_log_topic);
  }
  return topic ? topic->stream(0) : StreamId{};
}

Result<TaskSpec> QueriesHere::spec_of(const catalog::Query& query) {
  TenantSources sources(catalog_, query.tenant);
  TRY_ASSIGN(bound, sql::bind_statement(query.statement, sources));
  auto plan = std::make_shared<sql::QueryPlan>(std::move(bound));
  auto sink = catalog_.find_source(query.tenant, query.sink);
  if (!sink) return fail(Code::not_found, "sink " + query.sink + " of query " + query.id + " does not exist");
  plan->sink = sink->definition;
  TRY_ASSIGN(input, topic_of(query.tenant, plan->source.topic));
  TRY_ASSIGN(output, topic_of(query.tenant, plan->sink->topic));
  TaskSpec spec;
  spec.id = query.id;
  spec.tenant = query.tenant;
  spec.plan = std::move(plan);
  spec.inputs = streams_of(*input);
  spec.sinks = streams_of(*output);
  spec.positions = query.positions;
  if (auto stream = processing_log(query.tenant); stream.value != 0) spec.processing_log = stream;
  spec.from_earliest = query.from_earliest;
  // Not by its id: that holds the sink's name, and a quoted name holds anything.
  spec.snapshot_dir = options_.dir + "/" + std::to_string(query.tenant.value) + "-" + std::to_string(query.positions.value);
  spec.batch_rows_max = options_.batch_rows_max;
  spec.state_bytes_max = options_.state_bytes_max;
  return spec;
}

Result<void> QueriesHere::start(std::shared_ptr<const catalog::Query> query) {
  Key key{query->tenant, query->id};
  auto spec = spec_of(*query);
  std::lock_guard hold(mutex_);
  if (stopped_) return fail(Code::unavailable, "queries are stopping");
  if (running_.contains(key)) return fail(Code::already_exists, "query " + query->id + " is already running");
  if (!spec) {
    refused_[key] = {.id = query->id, .state = QueryState::error, .error = spec.error().text()};
    return spec.error();
  }
  refused_.erase(key);
  auto running = std::make_shared<RunningQuery>(log_, disk_, shards_.pick().loop, std::move(*spec),
                                                RunningQuery::Options{options_.snapshot_interval_ms});
  running->start();
  running_.emplace(key, std::move(running));
  return {};
}

void QueriesHere::stop() {
  std::vector<std::shared_ptr<RunningQuery>> all;
  {
    std::lock_guard hold(mutex_);
    stopped_ = true;
    for (auto& [key, query] : running_) all.push_back(std::move(query));
    running_.clear();
  }
  struct Waiting {
    std::mutex mutex;
    std::condition_variable done;
    std::size_t left;
  };
  auto waiting = std::make_shared<Waiting>();
  waiting->left = all.size();
  for (auto& query : all)
    query->stop(true, [waiting] {
      std::lock_guard hold(waiting->mutex);
      --waiting->left;
      waiting->done.notify_all();
    });
  std::unique_lock hold(waiting->mutex);
  waiting->done.wait(hold, [&] { return waiting->left == 0; });
}

void QueriesHere::terminate(TenantId tenant, const std::string& id, std::move_only_function<void()> done) {
  std::shared_ptr<RunningQuery> query;
  {
    std::lock_guard hold(mutex_);
    refused_.erase({tenant, id});
    if (auto found = running_.find({tenant, id}); found != running_.end()) {
      query = std::move(found->second);
      running_.erase(found);
    }
  }
  if (!query) return done();
  auto* raw = query.get();
  raw->stop(false, [&disk = disk_, dir = raw->spec().snapshot_dir, done = std::move(done)]() mutable {
    remove_snapshots(disk, dir);
    done();
  });
}

std::vector<QueryStatus> QueriesHere::statuses(TenantId tenant) const {
  std::lock_guard hold(mutex_);
  std::vector<QueryStatus> out;
  for (auto& [key, query] : running_)
    if (key.first == tenant) out.push_back(query->status());
  for (auto& [key, status] : refused_)
    if (key.first == tenant) out.push_back(status);
  return out;
}

std::shared_ptr<RunningQuery> QueriesHere::maker_of(TenantId tenant, const sql::Source& table) const {
  std::lock_guard hold(mutex_);
  for (auto& [key, query] : running_) {
    auto& sink = query->spec().plan->sink;
    if (key.first == tenant && (key.second == table.written_by || (sink && sink->name == table.name))) return query;
  }
  return nullptr;
}

void QueriesHere::pull(TenantId tenant, std::shared_ptr<const sql::QueryPlan> plan, std::move_only_function<void(Result<std::vector<ResultRow>>)> done) {
  if (plan->source.kind == sql::SourceKind::table) {
    auto query = maker_of(tenant, plan->source);
    if (query) return query->pull(std::move(plan), std::move(done));
    return done(fail(Code::unsupported, "table " + plan->source.name + " is not materialized",
                     "pull queries read tables made by CREATE TABLE AS SELECT; add EMIT CHANGES for a push query"));
  }
  return done(fail(Code::unsupported, plan->source.name + " is a stream: it is read by a push query"));
}

Result<std::shared_ptr<PushTask>> QueriesHere::transient(TenantId tenant, std::shared_ptr<const sql::QueryPlan> plan, bool from_earliest,
                                                         bool until_now, PushSink sink) {
  TRY_ASSIGN(topic, topic_of(tenant, plan->source.topic));
  PushTask::Spec spec;
  spec.plan = std::move(plan);
  spec.inputs = streams_of(*topic);
  spec.from_earliest = from_earliest;
  spec.until_now = until_now;
  spec.batch_rows_max = options_.batch_rows_max;
  spec.state_bytes_max = options_.state_bytes_max;
  return PushTask::make(log_, shards_.pick().loop, std::move(spec), std::move(sink));
}

Result<std::unique_ptr<PushQuery>> QueriesHere::push(TenantId tenant, std::shared_ptr<const sql::QueryPlan> plan, bool from_earliest, PushSink sink) {
  bool until_now = plan->form == sql::QueryForm::pull;
  TRY_ASSIGN(task, transient(tenant, std::move(plan), from_earliest || until_now, until_now, std::move(sink)));
  task->start();
  return std::unique_ptr<PushQuery>(std::make_unique<Client>(std::move(task)));
}

void QueriesHere::insert(TenantId tenant, const sql::Source& source, record::Row row, std::optional<std::int64_t> rowtime_ms,
                         std::move_only_function<void(Result<void>)> done) {
  if (source.window) return done(fail(Code::unsupported, "INSERT VALUES does not support windowed sources"));
  auto topic = topic_of(tenant, source.topic);
  if (!topic) return done(topic.error());
  auto encoder = RowEncoder::make(source.columns, source);
  if (!encoder) return done(encoder.error());
  if (row.size() != source.columns.size()) return done(fail(Code::invalid, "a value is needed for every column"));
  record::Chunk cells;
  std::vector<Operand> operands;
  for (std::size_t i = 0; i < row.size(); ++i) {
    cells.columns.emplace_back(source.columns[i].type);
    cells.columns.back().append(row[i], cells.arena);
  }
  for (auto& column : cells.columns) operands.push_back({&column, 1});
  std::string key, value;
  bool has_key = encoder->key(operands, 0, key), has_value = encoder->value(operands, 0, value);
  if (!has_key && source.kind == sql::SourceKind::table) return done(fail(Code::invalid, "Value for primary key is required"));
  auto view = [](bool there, const std::string& text) { return there ? std::optional<std::string_view>(text) : std::nullopt; };
  record::BatchBuilder batch;
  batch.add(rowtime_ms.value_or(clock_.now_ms()), view(has_key, key), view(has_value, value));
  auto partitions = static_cast<std::size_t>((*topic)->partitions);
  auto partition = partition_of_key(has_key ? key : value, partitions);  // rows without a key spread by what they hold
  log::Append append;
  append.entries.push_back({tenant, (*topic)->stream(static_cast<std::int32_t>(partition)), batch.finish()});
  log_.append(std::move(append), [done = std::move(done)](Result<log::Appended> result) mutable {
    if (result) done({});
    else done(result.error());
  });
}

}  // namespace

Result<std::unique_ptr<Queries>> Queries::open(log::Log& log, catalog::Catalog& catalog, world::Disk& disk, world::Clock& clock,
                                               runtime::Shards& shards, QueryOptions options) {
  auto queries = std::make_unique<QueriesHere>(log, catalog, disk, clock, shards, std::move(options));
  for (auto& query : catalog.all_queries()) (void)queries->start(query).has_value();  // one that cannot start says so in its status
  return std::unique_ptr<Queries>(std::move(queries));
}

}  // namespace tidemill::flow
