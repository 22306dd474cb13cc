// The PostgreSQL source connector: snapshot, then the replication stream, each event once. One thread of its own, named after the
// connector; stops within a second. What goes wrong on PostgreSQL's side and may pass is tried again, what needs a person ends in FAILED.
#pragma once

#include <thread>

#include "connect/interrupt.h"
#include "connect/postgres/settings.h"
#include "connect/task.h"

namespace tidemill::connect::postgres {

class PostgresConnector : public Task {
 public:
  // `warnings` are about its configuration: shown with its status.
  PostgresConnector(Context context, std::shared_ptr<const catalog::Connector> definition, Settings settings,
                    const std::vector<std::string>& warnings = {});
  ~PostgresConnector() override;
  void stop() override { interrupt_.stop(); }
  void finish() override;
  Status status() const override { return board_.read(); }
  std::uint64_t captured() const override { return meter_.records(); }

 private:
  void run();
  void retry_later(const Error& error);

  Context context_;
  std::shared_ptr<const catalog::Connector> definition_;
  Settings settings_;
  Interrupt interrupt_;
  StatusBoard board_;
  Meter meter_;
  std::chrono::milliseconds retry_delay_{0};
  std::thread thread_;
};

}  // namespace tidemill::connect::postgres
