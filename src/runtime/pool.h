// Pool: a few named threads for libraries that block (libpq, a DNS lookup, a compile). Bounded: when the queue is full, submit
// refuses, and the caller says "busy" to its own caller instead of growing.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "base/result.h"
#include "world/loop.h"
#include "world/task.h"

namespace tidemill::runtime {

class Pool {
 public:
  Pool(std::string name, std::size_t threads, std::size_t queue_max);
  ~Pool();  // stops

  // From any thread. Code::busy when the queue is full, Code::cancelled once stopping.
  Result<void> submit(world::Job job);
  // Finishes what is queued, refuses what is new, joins. A job that blocks for ever blocks this too.
  void stop();

 private:
  void work();

  std::string name_;
  std::size_t queue_max_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<world::Job> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

// Runs `work` (returning Result<T>) on the pool; resumes on `loop`, the awaiting task's own.
template <class Work>
world::Task<std::invoke_result_t<Work>> run_on(Pool& pool, world::Loop& loop, Work work) {
  world::Once<std::invoke_result_t<Work>> done(loop);
  world::Job job = [set = done.setter(), run = std::move(work)]() mutable { set(run()); };
  if (auto taken = pool.submit(std::move(job)); !taken) co_return taken.error();
  co_return co_await done;
}

}  // namespace tidemill::runtime
