// The rows of one push query on their way from its shard to the client's connection: a queue of rendered bytes with an end. A
// client that reads too slowly is cut off, with an error, rather than held in memory.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "flow/queries.h"
#include "runtime/signal.h"
#include "serve/ksql/row_writer.h"
#include "world/loop.h"

namespace tidemill::serve::ksql {

inline constexpr std::size_t push_bytes_max = 16u << 20;

// Shared by the query's sink and the connection's task. Must live as long as either.
class PushRows : public std::enable_shared_from_this<PushRows> {
 public:
  PushRows(world::Loop& loop, RowWriter writer, std::optional<std::int64_t> limit) : loop_(loop), writer_(std::move(writer)), left_(limit) {
    if (limit && *limit == 0) end_.emplace();
  }

  // For Queries::push; called on the query's shard.
  flow::PushSink sink();

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
  bool add(std::vector<flow::ResultRow> rows);
  void finish(Result<void> result);
  void wake();

  world::Loop& loop_;
  RowWriter writer_;
  runtime::Signal changed_;
  std::mutex mutex_;
  std::string bytes_;
  std::optional<std::int64_t> left_;
  std::optional<Result<void>> end_;
  bool woken_ = false, cancelled_ = false;
};

}  // namespace tidemill::serve::ksql
