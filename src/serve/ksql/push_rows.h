// The rows of one push query on their way from its shard to the client's connection: a queue of rendered bytes with an end. A
// client that reads slowly makes its query wait; what is queued is push_bytes_max and one step's rows at most.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "flow/queries.h"
#include "runtime/signal.h"
#include "serve/ksql/row_writer.h"
#include "world/loop.h"

namespace tidemill::serve::ksql {

inline constexpr std::size_t push_bytes_max = 4u << 20;

// Shared by the query's sink and the connection's task. Must live as long as either.
class PushRows : public std::enable_shared_from_this<PushRows> {
 public:
  PushRows(world::Loop& loop, RowWriter writer, std::optional<std::int64_t> limit) : loop_(loop), writer_(std::move(writer)), left_(limit) {
    if (limit && *limit == 0) end_.emplace();
  }

  // For Queries::push; called on the query's shard.
  flow::PushSink sink();

  // How to tell the query that there is room again; before the first take().
  void on_room(std::move_only_function<void()> resume) { resume_ = std::move(resume); }

  // On the connection's loop.
  runtime::Signal& changed() { return changed_; }
  struct Taken {
    std::string bytes;
    std::optional<Result<void>> end;  // set once, when there is nothing more
    bool limit_reached = false;
  };
  Taken take();
  void cancel();  // from any thread: the next rows() stops the query

 private:
  flow::Wanted add(std::vector<flow::ResultRow> rows);
  void finish(Result<void> result);
  void wake();

  world::Loop& loop_;
  RowWriter writer_;
  runtime::Signal changed_;
  std::mutex mutex_;
  std::string bytes_;
  std::optional<std::int64_t> left_;
  std::optional<Result<void>> end_;
  std::move_only_function<void()> resume_;
  bool woken_ = false, cancelled_ = false, full_ = false;
};

}  // namespace tidemill::serve::ksql
