// A running connector: one thread that moves records until it is told to stop. Owned by Connectors.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "connect/meter.h"
#include "log/log.h"
#include "world/clock.h"

namespace tidemill::connect {

// What every connector is given.
struct Context {
  log::Log& log;
  catalog::Catalog& catalog;
  world::Clock& clock;
  std::size_t append_in_flight_bytes = 16u << 20;  // connect.append_in_flight_bytes
};

enum class State : std::uint8_t { unassigned, running, paused, failed };
std::string_view state_name(State state);  // as Kafka Connect's REST has it: RUNNING

struct Status {
  State state = State::unassigned;
  std::string trace;                            // why it failed
  std::vector<std::string> warnings;
  std::map<std::string, std::string> progress;  // phase, LSNs, counts: for people and the UI
};

// Where a task says how it is; read by others. The gauge of tasks by state follows it.
class StatusBoard {
 public:
  StatusBoard();
  ~StatusBoard();
  StatusBoard(const StatusBoard&) = delete;
  StatusBoard& operator=(const StatusBoard&) = delete;
  Status read() const;
  void state(State state, std::string trace = {});
  // Kept once each, the newest hundred; also written to the log of the process.
  void warn(const std::string& connector, std::string text);
  void progress(std::map<std::string, std::string> progress);

 private:
  mutable std::mutex mutex_;
  Status status_;
};

class Task {
 public:
  virtual ~Task() = default;      // stops and waits
  virtual void stop() = 0;        // asks; returns at once
  virtual void finish() = 0;      // stops and waits; what it says of itself can still be read
  virtual Status status() const = 0;
  // Records that are in the log for good, since the task began.
  virtual std::uint64_t captured() const = 0;
};

}  // namespace tidemill::connect
