// Shards: one event loop per core. A connection or task lives on one shard from beginning to end, so what it owns needs no lock.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "world/real.h"

namespace tidemill::runtime {

struct Shard {
  world::Loop& loop;
  std::size_t index;
};

class Shards {
 public:
  explicit Shards(std::size_t count);                       // real threads "shard-N"; 0: one per core
  explicit Shards(const std::vector<world::Loop*>& loops);  // somebody else's loops: a simulated world's
  ~Shards();                                                // stops

  Shard& pick();  // the next one in turn; from any thread
  Shard& at(std::size_t index) { return shards_[index]; }
  std::size_t size() const { return shards_.size(); }
  // Ends the threads. What was spawned must have ended before (TaskGroup).
  void stop();

 private:
  std::vector<std::unique_ptr<world::LoopThread>> threads_;
  std::vector<Shard> shards_;
  std::atomic<std::size_t> turn_ = 0;
};

}  // namespace tidemill::runtime
