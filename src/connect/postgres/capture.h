// One attempt to capture: connects, checks, copies what is to be copied, streams. Ends with the reason why it could not go on.
// Owned by the connector's thread; each attempt starts from the last position in the log.
#pragma once

#include <functional>

#include "connect/postgres/position.h"
#include "connect/postgres/replication.h"
#include "connect/postgres/settings.h"
#include "connect/record_sink.h"
#include "connect/task.h"

namespace tidemill::connect::postgres {

// The last position in the stream; nothing when there is none.
Result<std::optional<Position>> last_position(log::Log& log, StreamId positions);

class Capture {
 public:
  Capture(const Context& context, const catalog::Connector& definition, const Settings& settings, Interrupt& interrupt, StatusBoard& board, Meter& meter);
  Error run();
  // True once it got as far as streaming: a later failure is a new one, not the same again.
  bool reached_streaming() const { return reached_streaming_; }

 private:
  Result<void> open();
  Result<void> find_start();
  Result<void> start_fresh();
  Result<void> start_on_old_slot(const Slot& slot);
  Result<void> plan_snapshot();
  Result<void> snapshot();
  Result<Exported> export_again();
  Result<void> begin_run(Lsn lsn);
  Result<void> copy(const std::string& exported);
  Result<void> write_position();
  Error stream();
  void warn(std::string text) { board_.warn(definition_.name, std::move(text)); }

  const Context& context_;
  const catalog::Connector& definition_;
  const Settings& settings_;
  Interrupt& interrupt_;
  StatusBoard& board_;
  Meter& meter_;
  std::unique_ptr<Session> sql_, replication_, copy_slot_;
  std::optional<Position> stored_;
  Position position_;
  std::string exported_;  // a snapshot that waits to be copied from
  bool reached_streaming_ = false;
  std::unique_ptr<RecordSink> sink_;  // last: goes first, while everything it may report to is there
};

}  // namespace tidemill::connect::postgres
