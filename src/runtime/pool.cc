#include "runtime/pool.h"

#include <fmt/core.h>

#include "base/check.h"
#include "world/real.h"

namespace tidemill::runtime {

Pool::Pool(std::string name, std::size_t threads, std::size_t queue_max) : name_(std::move(name)), queue_max_(queue_max) {
  CHECK(threads > 0 && queue_max > 0, "pool {}", name_);
  for (std::size_t i = 0; i < threads; ++i) threads_.push_back(world::start_thread(fmt::format("{}-{}", name_, i), [this] { work(); }));
}

Pool::~Pool() { stop(); }

Result<void> Pool::submit(world::Job job) {
  {
    std::lock_guard hold(mutex_);
    if (stopping_) return fail(Code::cancelled, fmt::format("pool {} is stopping", name_));
    if (queue_.size() >= queue_max_) return fail(Code::busy, fmt::format("pool {} has {} jobs waiting", name_, queue_.size()), "try again later");
    queue_.push_back(std::move(job));
  }
  wake_.notify_one();
  return {};
}

void Pool::stop() {
  {
    std::lock_guard hold(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (auto& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void Pool::work() {
  for (;;) {
    world::Job job;
    {
      std::unique_lock hold(mutex_);
      wake_.wait(hold, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    job();
  }
}

}  // namespace tidemill::runtime
