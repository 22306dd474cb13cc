// A client's query: a pipeline that reads from now or from the beginning and hands rows to whoever asked, until its limit, until the
// client goes, or, for pull queries over streams, until the end that was there when it began. Nothing is written. One loop.
#pragma once

#include <atomic>
#include <memory>

#include "flow/input.h"
#include "flow/pipeline.h"
#include "flow/queries.h"
#include "world/loop.h"

namespace tidemill::flow {

class PushTask : public std::enable_shared_from_this<PushTask> {
 public:
  struct Spec {
    std::shared_ptr<const sql::QueryPlan> plan;
    std::vector<StreamId> inputs;
    bool from_earliest = false;
    bool until_now = false;  // ends where the input ended at the start
    std::size_t batch_rows_max = 8192;
    std::size_t state_bytes_max = 4ull << 30;
  };
  static Result<std::shared_ptr<PushTask>> make(log::Log& log, world::Loop& loop, Spec spec, PushSink sink);

  // From any thread.
  void start();
  void cancel();
  void wake();
  void resume();

 private:
  PushTask(log::Log& log, world::Loop& loop, Spec spec, PushSink sink)
      : log_(log), loop_(loop), spec_(std::move(spec)), sink_(std::move(sink)), input_(log) {}
  void begin();
  void step();
  bool deliver();
  void end(Result<void> how);

  log::Log& log_;
  world::Loop& loop_;
  Spec spec_;
  PushSink sink_;
  MergedInput input_;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<log::Watch> watch_;
  std::vector<Positions::Input> until_;
  std::int64_t delivered_ = 0;
  bool ended_ = false;
  bool paused_ = false;  // the client has enough for now
  std::atomic<bool> woken_ = false;
};

}  // namespace tidemill::flow
