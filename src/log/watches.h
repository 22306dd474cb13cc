// Watches: who wants to hear when a stream's durable end advances. One per log; thread-safe.
//
// announce() calls back on the caller's thread, once per watch however many of its streams moved. Destroying a Watch waits for
// a call that is under way on another thread, so that none happens after; a callback may destroy its own watch.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "log/log.h"

namespace tidemill::log {

class Watches {
 public:
  Watches();
  ~Watches();
  std::unique_ptr<Watch> add(std::vector<StreamId> streams, std::move_only_function<void()> on_advance);
  void announce(std::span<const StreamId> moved);

 private:
  struct Shared;
  struct Registration;
  class Handle;
  std::shared_ptr<Shared> shared_;  // handles may outlive the log
};

}  // namespace tidemill::log
