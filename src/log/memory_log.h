// MemoryLog: the log without a disk, for tests and for trying things. Keeps every promise of log.h except surviving the process.
//
// Each append is a group of its own and durable at once. Answers and watch calls come from the log's own thread, as in the
// embedded engine; with Delivery::in_call they come inside append(), so that a simulated world stays single-threaded.
#pragma once

#include <map>
#include <mutex>
#include <condition_variable>
#include <deque>
#include <thread>
#include <unordered_map>

#include "log/log.h"
#include "log/producers.h"
#include "log/watches.h"

namespace tidemill::world {
class Clock;
}

namespace tidemill::log {

class MemoryLog : public Log {
 public:
  enum class Delivery { own_thread, in_call };
  explicit MemoryLog(world::Clock& clock, Delivery delivery = Delivery::own_thread);
  ~MemoryLog() override;  // waits until every append is answered

  void append(Append append, AppendDone done) override;
  std::size_t append_bytes_max() const override { return 4u << 20; }
  Bounds bounds(StreamId stream) const override;
  Result<std::vector<StoredBatch>> read(StreamId stream, Offset from, std::size_t bytes_max) const override;
  Result<std::optional<StoredBatch>> find_by_time(StreamId stream, std::int64_t time_ms) const override;
  Jsn durable_jsn() const override;
  Result<std::vector<Group>> read_groups(Jsn from, std::size_t bytes_max) const override;
  std::unique_ptr<Watch> watch(std::vector<StreamId> streams, std::move_only_function<void()> on_advance) override;
  ProducerId new_producer_id() override;
  Incarnation incarnation() const override { return Incarnation{1}; }

 private:
  struct Kept {
    StoredBatch batch;
    Offset end;
    std::int64_t max_timestamp;
  };
  struct Stream {
    std::vector<Kept> batches;
    Offset start;
    Offset end;
    bool forgotten = false;
  };
  struct Answer {
    AppendDone done;
    Result<Appended> result;
    std::vector<StreamId> moved;
  };

  Answer take(Append append, AppendDone done);
  Result<void> check_streams(const Append& append);
  void apply(const Mark& mark);
  Result<Appended> store(Append& append, std::vector<StreamId>& moved);
  void deliver(Answer answer);
  void run();

  world::Clock& clock_;
  Delivery delivery_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::unordered_map<StreamId, Stream> streams_;
  std::vector<Group> groups_;  // groups_[i] has JSN i + 1
  Producers producers_;
  std::int64_t next_producer_ = 1;
  std::deque<Answer> answers_;
  bool stopping_ = false;
  Watches watches_;
  std::thread thread_;
};

}  // namespace tidemill::log
