// A persistent query on its shard: drives the task, one append in flight at a time while the next step is computed, answers pull
// queries between steps, and writes snapshots when nothing is in flight. All its work happens on one loop; a few calls come from outside.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "flow/meter.h"
#include "flow/queries.h"
#include "flow/query_task.h"
#include "world/loop.h"

namespace tidemill::flow {

class RunningQuery : public std::enable_shared_from_this<RunningQuery> {
 public:
  struct Options {
    std::int64_t snapshot_interval_ms = 10000;
  };
  RunningQuery(log::Log& log, world::Disk& disk, world::Loop& loop, TaskSpec spec, Options options);

  // From any thread.
  void start();
  void wake();
  using PullDone = std::move_only_function<void(Result<std::vector<ResultRow>>)>;
  void pull(std::shared_ptr<const sql::QueryPlan> plan, PullDone done);
  // Finishes what is in flight, writes a snapshot when asked to, and is then still. `done` is called on the loop.
  void stop(bool snapshot, std::move_only_function<void()> done);
  QueryStatus status() const;
  const TaskSpec& spec() const { return spec_; }

 private:
  struct Pull {
    std::shared_ptr<const sql::QueryPlan> plan;
    PullDone done;
  };
  void open();
  void pump();
  void compute();
  void send();
  void appended(Result<log::Appended> result);
  void idle();
  void answer_pulls();
  void finish_stop();
  void fail_with(const Error& error);
  void publish();
  void set_snapshot_timer();

  log::Log& log_;
  world::Disk& disk_;
  world::Loop& loop_;
  TaskSpec spec_;
  Options options_;

  // On the loop.
  std::unique_ptr<QueryTask> task_;
  std::unique_ptr<log::Watch> watch_;
  std::deque<log::Append> pending_;  // front may be in flight
  bool in_flight_ = false, waiting_to_retry_ = false, more_ = true;
  bool snapshot_wanted_ = false, failed_ = false, stopped_ = false;
  std::uint64_t timer_ = 0, retry_timer_ = 0;
  std::vector<Pull> pulls_;
  bool stopping_ = false, stop_snapshot_ = false;
  std::vector<std::move_only_function<void()>> stop_done_;

  std::atomic<bool> woken_ = false;
  mutable std::mutex status_mutex_;
  QueryStatus status_;
  QueryMeter meter_;
};

}  // namespace tidemill::flow
