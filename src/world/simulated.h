// A world in one thread: clock, chance, loops and network that a test steps by hand. The same seed gives the same run, whatever the
// machine does; another seed gives other interleavings of loops and other cuts of the bytes on the network.
//
//   SimulatedWorld world(seed);
//   auto& loop = world.add_loop();
//   spawn(loop, serve(world.net(), loop));
//   ASSERT_TRUE(world.run_until([&] { return answered; }, std::chrono::seconds(10)));
//
// Nothing here may be touched by a second thread. As in the real world, tasks must have ended before it goes.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "world/clock.h"
#include "world/loop.h"
#include "world/net.h"

namespace tidemill::world {

class SimulatedClock final : public Clock {
 public:
  std::int64_t now_ms() override { return start_ms + elapsed_ns_ / 1'000'000; }
  std::int64_t monotonic_ns() override { return elapsed_ns_; }
  void advance(std::chrono::nanoseconds by) { elapsed_ns_ += by.count(); }

 private:
  static constexpr std::int64_t start_ms = 1'700'000'000'000;
  std::int64_t elapsed_ns_ = 0;
};

// SplitMix64.
class SimulatedRandom final : public Random {
 public:
  explicit SimulatedRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() override;
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }  // a little uneven; fine for choosing

 private:
  std::uint64_t state_;
};

class SimulatedLoop final : public Loop {
 public:
  explicit SimulatedLoop(SimulatedClock& clock) : clock_(clock) {}
  void post(Job job) override { jobs_.push_back(std::move(job)); }
  std::uint64_t run_after(std::chrono::milliseconds delay, Job job) override;
  void cancel(std::uint64_t timer) override;
  bool on_this_thread() const override { return running_; }

  bool ready();                     // a job is posted or a timer is due
  void run_one();                   // of what is ready
  std::int64_t next_timer_ns() const;  // INT64_MAX: none

 private:
  struct Timer {
    std::uint64_t id;
    Job job;
  };
  SimulatedClock& clock_;
  std::deque<Job> jobs_;
  std::multimap<std::int64_t, Timer> timers_;  // by when they are due; equal times in the order they were set
  std::uint64_t next_id_ = 1;
  bool running_ = false;
};

class SimulatedNet;

class SimulatedWorld {
 public:
  explicit SimulatedWorld(std::uint64_t seed);
  ~SimulatedWorld();

  SimulatedClock& clock() { return clock_; }
  SimulatedRandom& random() { return random_; }
  SimulatedLoop& add_loop();
  Net& net();
  // Every open connection ends as if a cable were pulled: reads and writes fail with Code::io.
  void break_connections();

  // Until nothing is left to do at this moment. Time stands still.
  void run_until_idle();
  // Lets time pass, timers and all they cause included.
  void advance(std::chrono::milliseconds by);
  // Jumps from timer to timer until `done`; false when nothing can happen any more or `limit` has passed.
  bool run_until(const std::function<bool()>& done, std::chrono::milliseconds limit);

 private:
  bool step();
  std::int64_t next_timer_ns() const;

  SimulatedClock clock_;
  SimulatedRandom random_;
  std::vector<std::unique_ptr<SimulatedLoop>> loops_;
  std::unique_ptr<SimulatedNet> net_;
};

}  // namespace tidemill::world
