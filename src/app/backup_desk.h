// Where a running server takes orders for backups: files in its data directory, so that whoever may write there may order, and nobody else;
// no port is needed, and no password.
//
//   DIR/backup.request   {"id": ..., "to": an absolute path}    written by `tidemill backup`, removed when it is taken
//   DIR/backup.status    {"id", "state": running | done | failed, "done", "all", "jsn", "error", "hint"}
//
// One thread, one backup at a time. It rests between pieces while the log is written to.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/result.h"

namespace tidemill::world {
class Clock;
class Disk;
}
namespace tidemill::log {
class EmbeddedLog;
}

namespace tidemill::app {

struct BackupOrder {
  std::string id;
  std::string to;
};
struct BackupStatus {
  std::string id;
  std::string state;
  std::uint64_t done = 0, all = 0, jsn = 0;
  std::string error, hint;
};
std::string backup_request_path(const std::string& dir);
Result<void> write_order(world::Disk& disk, const std::string& dir, const BackupOrder& order);
// Nothing when there is none, or it makes no sense.
std::optional<BackupStatus> read_status(world::Disk& disk, const std::string& dir);

class BackupDesk {
 public:
  BackupDesk(world::Disk& disk, world::Clock& clock, log::EmbeddedLog& log, std::string dir);
  ~BackupDesk();  // gives up what is going on, and waits for that

 private:
  void run();
  bool wait(std::int64_t ns);  // false: it is time to stop
  std::optional<BackupOrder> take_order();
  void serve(const BackupOrder& order);
  void tell(const BackupStatus& status);

  world::Disk& disk_;
  world::Clock& clock_;
  log::EmbeddedLog& log_;
  std::string dir_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tidemill::app
