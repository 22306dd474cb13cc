// A mill for tests: statements make sources and a query, records go in, and what came out is read back from the log. One thread; a task
// is driven by hand, so that a test may kill it anywhere.
#pragma once

#include <gtest/gtest.h>

#include <map>

#include "bytes/cursor.h"
#include "flow/query_task.h"
#include "log/memory_log.h"
#include "record/batch.h"
#include "sql/sql.h"
#include "world/simulated.h"
#include "world/simulated_disk.h"

namespace tidemill::flow {

struct SeenRecord {
  std::optional<std::string> key, value;
  std::int64_t timestamp_ms = 0, offset = 0;
  std::string headers;
  friend bool operator==(const SeenRecord&, const SeenRecord&) = default;
};

inline std::string be32(std::int32_t v) { ByteWriter w; w.i32(v); return w.take(); }
inline std::string be64(std::int64_t v) { ByteWriter w; w.i64(v); return w.take(); }

class Mill : public sql::SourceResolver {
 public:
  Mill() : memory_(clock, log::MemoryLog::Delivery::in_call), log(memory_), disk(7) {}
  explicit Mill(log::Log& other) : memory_(clock, log::MemoryLog::Delivery::in_call), log(other), disk(7) {}

  const sql::Source* find_source(std::string_view name) const override {
    auto found = sources_.find(std::string(name));
    return found == sources_.end() ? nullptr : &found->second;
  }

  // Statements; the last CREATE ... AS is the query.
  void run_sql(std::string_view text) {
    auto statements = sql::parse(text);
    ASSERT_TRUE(statements) << statements.error().text();
    for (auto& statement : *statements) {
      if (auto* create = std::get_if<sql::CreateSource>(&statement.body)) {
        auto bound = sql::bind_create(*create, text);
        ASSERT_TRUE(bound) << bound.error().text();
        add_topic(bound->source.topic, bound->partitions.value_or(1));
        sources_[bound->source.name] = bound->source;
      } else if (auto* as = std::get_if<sql::CreateAs>(&statement.body)) {
        auto bound = sql::bind_create_as(*as, *this, text);
        ASSERT_TRUE(bound) << bound.error().text();
        plan = std::make_shared<sql::QueryPlan>(std::move(*bound));
        add_topic(plan->sink->topic, plan->sink_partitions.value_or(topics_[plan->source.topic].second));
        sources_[plan->sink->name] = *plan->sink;
        sources_[plan->sink->name].written_by = "Q";
      } else {
        FAIL() << "not a statement for tests";
      }
    }
  }
  std::shared_ptr<sql::QueryPlan> select(std::string_view text, sql::QueryForm form) {
    auto statements = sql::parse(text);
    EXPECT_TRUE(statements) << statements.error().text();
    auto bound = sql::bind_query(std::get<sql::Select>(statements->front().body), *this, {form});
    EXPECT_TRUE(bound) << bound.error().text();
    return bound ? std::make_shared<sql::QueryPlan>(std::move(*bound)) : nullptr;
  }

  std::vector<StreamId> streams(const std::string& topic) {
    std::vector<StreamId> out;
    for (std::int32_t p = 0; p < topics_.at(topic).second; ++p) out.emplace_back(topics_.at(topic).first + static_cast<std::uint64_t>(p));
    return out;
  }

  void put(const std::string& topic, std::optional<std::string> key, std::optional<std::string> value, std::int64_t time_ms = 0, std::size_t partition = 0,
           std::vector<record::BatchBuilder::HeaderPair> headers = {}) {
    record::BatchBuilder batch;
    auto view = [](const std::optional<std::string>& s) { return s ? std::optional<std::string_view>(*s) : std::nullopt; };
    batch.add(time_ms, view(key), view(value), headers);
    append({default_tenant, streams(topic)[partition], batch.finish()});
  }
  void append(log::Entry entry) {
    log::Append a;
    a.entries.push_back(std::move(entry));
    log.append(std::move(a), [](auto result) { ASSERT_TRUE(result) << result.error().text(); });
  }

  TaskSpec spec() {
    TaskSpec s;
    s.id = "Q";
    s.tenant = default_tenant;
    s.plan = plan;
    s.inputs = streams(plan->source.topic);
    s.sinks = streams(plan->sink->topic);
    s.positions = StreamId(5);
    s.processing_log = StreamId(6);
    s.batch_rows_max = batch_rows;
    s.positions_trim_every = 4;  // so that every test of restarts has a trimmed stream
    s.positions_kept = 2;
    s.snapshot_dir = snapshots ? "snapshots" : "";
    return s;
  }
  std::unique_ptr<QueryTask> open() {
    auto task = QueryTask::open(log, &disk, spec());
    EXPECT_TRUE(task) << task.error().text();
    return task ? std::move(*task) : nullptr;
  }
  // One step, its appends made. False when there was nothing to do.
  bool step(QueryTask& task, std::size_t appends_max = 99) {
    auto step = task.step();
    EXPECT_TRUE(step) << step.error().text();
    if (!step) return false;
    for (auto& a : step->appends) {
      if (appends_max-- == 0) return false;
      log.append(std::move(a), [](auto result) { EXPECT_TRUE(result) << result.error().text(); });
    }
    return step->moved;
  }
  std::unique_ptr<QueryTask> drain() {
    auto task = open();
    if (task) drain(*task);
    return task;
  }
  void drain(QueryTask& task) {
    while (step(task)) {}
  }

  std::vector<SeenRecord> records(StreamId stream) const {
    std::vector<SeenRecord> out;
    auto at = log.bounds(stream).start;
    while (at < log.bounds(stream).end) {
      auto batches = log.read(stream, at, 1 << 20);
      for (auto& batch : *batches) {
        auto reader = record::BatchRecords::open(batch.bytes, batch.base);
        record::RecordView r;
        while (*reader->next(r)) {
          SeenRecord seen;
          if (r.key) seen.key = std::string(*r.key);
          if (r.value) seen.value = std::string(*r.value);
          seen.timestamp_ms = r.timestamp_ms;
          seen.offset = r.offset;
          seen.headers = std::string(r.headers);
          out.push_back(std::move(seen));
          at = Offset(r.offset + 1);
        }
      }
    }
    return out;
  }
  std::vector<SeenRecord> out(std::size_t partition = 0) { return records(streams(plan->sink->topic)[partition]); }
  std::vector<std::vector<SeenRecord>> all_out() {
    std::vector<std::vector<SeenRecord>> all;
    for (auto stream : streams(plan->sink->topic)) all.push_back(records(stream));
    return all;
  }
  // Values only, NULL as "-".
  std::vector<std::string> values(std::size_t partition = 0) {
    std::vector<std::string> all;
    for (auto& r : out(partition)) all.push_back(r.value.value_or("-"));
    return all;
  }

  world::SimulatedClock clock;

 private:
  log::MemoryLog memory_;

 public:
  log::Log& log;
  world::SimulatedDisk disk;
  std::shared_ptr<sql::QueryPlan> plan;
  std::size_t batch_rows = 8192;
  bool snapshots = false;

 private:
  void add_topic(const std::string& name, std::int32_t partitions) {
    if (topics_.contains(name)) return;
    topics_[name] = {next_stream_, partitions};
    next_stream_ += static_cast<std::uint64_t>(partitions);
  }
  std::map<std::string, sql::Source> sources_;
  std::map<std::string, std::pair<std::uint64_t, std::int32_t>> topics_;
  std::uint64_t next_stream_ = 1024;
};

using Texts = std::vector<std::string>;

}  // namespace tidemill::flow
