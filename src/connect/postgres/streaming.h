// Reads the replication stream into the sink for as long as it lives. Owned by the connector's thread.
//
// What has been gathered is committed as soon as the socket has nothing more and the log is idle; while an append is on its way to the
// disk, gathering goes on, so that appends grow with the load and a lone transaction waits for nobody. The server is told only of
// what is durable, at the end of transactions.
#pragma once

#include <functional>

#include "connect/postgres/change_translator.h"
#include "connect/postgres/session.h"
#include "world/clock.h"

namespace tidemill::connect::postgres {

struct StreamProgress {
  Lsn received, durable;
  std::uint64_t events = 0;
  std::string waiting_for;
};

class Streaming {
 public:
  using Report = std::function<void(const StreamProgress&)>;
  Streaming(Session& replication, ChangeTranslator& translator, RecordSink& sink, Interrupt& interrupt, world::Clock& clock, Report report);

  // Returns with an error only: Code::cancelled when stopped, Code::unavailable when the server is gone.
  Error run();

 private:
  Result<void> step();
  Result<bool> read_some();
  Result<void> take_frame(std::string_view frame);
  Result<void> keepalive(std::string_view frame);
  Result<void> commit();
  Result<void> write_idle_position();
  Result<void> confirm(bool now);

  Session& replication_;
  ChangeTranslator& translator_;
  RecordSink& sink_;
  Interrupt& interrupt_;
  world::Clock& clock_;
  Report report_;
  Message message_;
  StreamProgress progress_;
  Lsn committed_resume_;        // of the last committed position
  bool committed_whole_ = true;
  bool worth_committing() const;
  Lsn confirmed_;
  std::int64_t confirmed_ns_ = 0, idle_position_ns_ = 0;
  bool answer_wanted_ = false;
};

}  // namespace tidemill::connect::postgres
