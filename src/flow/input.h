// The input of a query: the partitions of its topic, merged in the order of the log, (JSN, index), so that the same rows come in the
// same order whenever they are read again. Reads only what was durable when a step began.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"
#include "flow/positions.h"
#include "log/log.h"
#include "record/batch.h"
#include "record/chunk.h"

namespace tidemill::flow {

class MergedInput {
 public:
  explicit MergedInput(const log::Log& log) : log_(log) {}

  void seek(const std::vector<Positions::Input>& inputs);
  std::vector<Positions::Input> positions() const;

  struct Limits {
    std::size_t records = 8192;
    std::size_t bytes = 1u << 20;
    Jsn horizon;
    const std::vector<Positions::Input>* until = nullptr;  // by partition: stop before these
  };
  // Each record in turn; answering false ends the step after that record.
  using Visit = std::function<bool(const record::RecordView&, const record::RowOrigin&)>;
  // A batch that cannot be opened is passed over as a whole and reported.
  using Unreadable = std::function<void(const record::RowOrigin&, const Error&)>;
  // The number of records visited. `hold` keeps what their views point into.
  Result<std::size_t> read(const Limits& limits, record::Arena& hold, const Visit& visit, const Unreadable& unreadable);

  // Records between where we are and the durable end.
  std::int64_t lag() const;
  // Records that retention took away before we read them.
  std::uint64_t lost() const { return lost_; }

 private:
  struct Partition {
    StreamId stream;
    Offset next;
    std::deque<log::StoredBatch> ahead;
    // The batch being read, when a step ended inside it.
    std::shared_ptr<record::BatchRecords> open;
  };
  Result<void> fill(Partition& partition);
  Partition* earliest(const Limits& limits);
  bool done(const Partition& partition, const Limits& limits) const;
  bool open_batch(Partition& partition, record::RowOrigin origin, const Unreadable& unreadable);

  const log::Log& log_;
  std::vector<Partition> partitions_;
  std::uint64_t lost_ = 0;
};

}  // namespace tidemill::flow
