// An event loop: one thread's worth of work. Everything a coroutine of ours does between two awaits happens on its loop.
// The real one (world/real.h) is Boost.Asio inside a .cc file; the simulated one runs in a test's thread under a fake clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

namespace tidemill::world {

using Job = std::move_only_function<void()>;

class Loop {
 public:
  virtual ~Loop() = default;
  // From any thread: runs `job` on this loop, after what was posted before.
  virtual void post(Job job) = 0;
  // On this loop: runs `job` once after the delay, unless cancelled first. Ids are never reused.
  virtual std::uint64_t run_after(std::chrono::milliseconds delay, Job job) = 0;
  virtual void cancel(std::uint64_t timer) = 0;
  virtual bool on_this_thread() const = 0;
};

}  // namespace tidemill::world
