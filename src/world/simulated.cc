#include "world/simulated.h"

#include "base/check.h"
#include "world/simulated_net.h"

namespace tidemill::world {

std::uint64_t SimulatedRandom::next() {
  auto z = (state_ += 0x9E3779B97F4A7C15ull);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

std::uint64_t SimulatedLoop::run_after(std::chrono::milliseconds delay, Job job) {
  auto id = next_id_++;
  timers_.emplace(clock_.monotonic_ns() + std::chrono::nanoseconds(delay).count(), Timer{id, std::move(job)});
  return id;
}

// Linear over the timers; fine for a test.
void SimulatedLoop::cancel(std::uint64_t timer) {
  std::erase_if(timers_, [timer](auto& each) { return each.second.id == timer; });
}

bool SimulatedLoop::ready() { return !jobs_.empty() || next_timer_ns() <= clock_.monotonic_ns(); }

void SimulatedLoop::run_one() {
  Job job;
  if (!jobs_.empty()) {
    job = std::move(jobs_.front());
    jobs_.pop_front();
  } else {
    CHECK(ready());
    job = std::move(timers_.begin()->second.job);
    timers_.erase(timers_.begin());
  }
  running_ = true;
  job();
  running_ = false;
}

std::int64_t SimulatedLoop::next_timer_ns() const { return timers_.empty() ? INT64_MAX : timers_.begin()->first; }

SimulatedWorld::SimulatedWorld(std::uint64_t seed) : random_(seed), net_(std::make_unique<SimulatedNet>(random_)) {}
SimulatedWorld::~SimulatedWorld() = default;

SimulatedLoop& SimulatedWorld::add_loop() { return *loops_.emplace_back(std::make_unique<SimulatedLoop>(clock_)); }
Net& SimulatedWorld::net() { return *net_; }
void SimulatedWorld::break_connections() { net_->break_all(); }

// One thing that can happen now, chosen by chance: a job of a loop, or a fragment that arrives.
bool SimulatedWorld::step() {
  std::vector<SimulatedLoop*> ready;
  for (auto& loop : loops_) {
    if (loop->ready()) ready.push_back(loop.get());
  }
  auto movable = net_->movable();
  if (ready.empty() && movable.empty()) return false;
  auto choice = static_cast<std::size_t>(random_.below(ready.size() + movable.size()));
  if (choice < ready.size()) ready[choice]->run_one();
  else movable[choice - ready.size()]->move_one();
  return true;
}

std::int64_t SimulatedWorld::next_timer_ns() const {
  std::int64_t next = INT64_MAX;
  for (auto& loop : loops_) next = std::min(next, loop->next_timer_ns());
  return next;
}

void SimulatedWorld::run_until_idle() {
  while (step()) {}
}

void SimulatedWorld::advance(std::chrono::milliseconds by) {
  auto end_ns = clock_.monotonic_ns() + std::chrono::nanoseconds(by).count();
  run_until_idle();
  while (next_timer_ns() <= end_ns) {
    clock_.advance(std::chrono::nanoseconds(next_timer_ns() - clock_.monotonic_ns()));
    run_until_idle();
  }
  clock_.advance(std::chrono::nanoseconds(end_ns - clock_.monotonic_ns()));
}

bool SimulatedWorld::run_until(const std::function<bool()>& done, std::chrono::milliseconds limit) {
  auto end_ns = clock_.monotonic_ns() + std::chrono::nanoseconds(limit).count();
  while (!done()) {
    if (step()) continue;
    auto next_ns = next_timer_ns();
    if (next_ns > end_ns) return false;
    clock_.advance(std::chrono::nanoseconds(next_ns - clock_.monotonic_ns()));
  }
  return true;
}

}  // namespace tidemill::world
