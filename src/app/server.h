// The whole program put together: builds every room from the settings, starts the listeners, stops them in order. Only this file
// (and the command line above it) knows everybody.
//
// Start order: disk and lock, log (recovery), catalogue, shards, queries, connectors, listeners, then DIR/listening.json.
// Stop order is the reverse; nothing acknowledged is lost whichever way it ends.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"
#include "world/net.h"

namespace tidemill::settings {
struct Settings;
}

namespace tidemill::app {

struct Progress {  // since this start
  std::uint64_t captured = 0;   // events from databases
  std::uint64_t appended = 0;   // records into the log
  std::uint64_t processed = 0;  // rows into queries
};

class Server {
 public:
  static Result<std::unique_ptr<Server>> start(const settings::Settings& settings);
  ~Server();  // stops
  void stop();

  // By listener name (kafka, connect, ksql, http); those that are off or not built are absent.
  const std::map<std::string, world::Address>& addresses() const;
  Progress progress() const;

  // What the demo asks for, without a socket: statements as on the ksql port, a connector as on the connect port, and one number of
  // one row: the last column of the first row of a pull query.
  Result<void> execute(const std::string& statements);
  Result<void> put_connector(const std::string& name, std::map<std::string, std::string> config);
  Result<std::int64_t> pull_number(const std::string& query);

 private:
  struct Inside;
  explicit Server(std::unique_ptr<Inside> inside);
  std::unique_ptr<Inside> inside_;
};

}  // namespace tidemill::app
