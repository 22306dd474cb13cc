// A PostgreSQL 15 of the demo's own: its data in one folder, its port on the loopback, wal_level=logical. Made at the first start,
// reused at the next. As root the server runs as user `postgres`, since PostgreSQL refuses root.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

namespace tidemill::app {

class PrivatePostgres {
 public:
  static Result<std::unique_ptr<PrivatePostgres>> start(std::string dir);
  ~PrivatePostgres();  // stops
  void stop();

  int port() const { return port_; }
  std::string user() const { return "postgres"; }
  std::string conninfo() const;

 private:
  PrivatePostgres(std::string dir, int port) : dir_(std::move(dir)), port_(port) {}
  Result<void> run_initdb();
  Result<void> run_server();
  Result<void> wait_until_it_answers();

  std::string dir_;
  int port_;
  int pid_ = -1;  // of the postmaster, when we started it
};

}  // namespace tidemill::app
