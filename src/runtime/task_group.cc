#include "runtime/task_group.h"

#include "base/check.h"

namespace tidemill::runtime {
namespace {

world::Task<void> run_in(TaskGroup& group, world::Task<void> task) {
  {
    auto inner = std::move(task);
    co_await inner;
  }  // what the task held is gone before the group hears of it
  group.leave();
}

}  // namespace

TaskGroup::~TaskGroup() { CHECK(running_ == 0, "{} tasks outlive their group", running_); }

bool TaskGroup::spawn(world::Loop& loop, world::Task<void> task) {
  if (!enter()) return false;
  world::spawn(loop, run_in(*this, std::move(task)));
  return true;
}

bool TaskGroup::enter() {
  std::lock_guard hold(mutex_);
  if (closed_) return false;
  ++running_;
  return true;
}

void TaskGroup::leave() {
  // All under the lock: a waiter may destroy the group as soon as it is released.
  std::lock_guard hold(mutex_);
  CHECK(running_ > 0);
  if (--running_ != 0 || !closed_) return;
  for (auto& wake : waiting_) wake(true);
  waiting_.clear();
  empty_.notify_all();
}

void TaskGroup::close() {
  std::lock_guard hold(mutex_);
  closed_ = true;
}

bool TaskGroup::closed() const {
  std::lock_guard hold(mutex_);
  return closed_;
}

std::size_t TaskGroup::running() const {
  std::lock_guard hold(mutex_);
  return running_;
}

void TaskGroup::close_and_wait() {
  std::unique_lock hold(mutex_);
  closed_ = true;
  empty_.wait(hold, [this] { return running_ == 0; });
}

world::Task<void> TaskGroup::drained(world::Loop& loop) {
  world::Once<bool> empty(loop);
  {
    std::lock_guard hold(mutex_);
    closed_ = true;
    if (running_ == 0) co_return;
    waiting_.push_back(empty.setter());
  }
  co_await empty;
}

}  // namespace tidemill::runtime
