// Carries what the log counts into the metrics, once a second, on a shard: the log itself only bumps cells.
#pragma once

#include <atomic>
#include <memory>

#include "log/embedded_log.h"
#include "runtime/shards.h"

namespace tidemill::app {

class LogMeter {
 public:
  LogMeter(const log::EmbeddedLog& log, runtime::Shards& shards);
  ~LogMeter();  // after it nothing touches the log any more

 private:
  struct Inside;
  std::shared_ptr<Inside> inside_;
};

}  // namespace tidemill::app
