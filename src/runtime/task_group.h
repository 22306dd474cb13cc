// TaskGroup: the problem of stopping a service is that its tasks still use it. A group counts them: after close() no new one
// gets in, and once the last has left the service may be destroyed. Closing does not wake anybody: the owner closes what its tasks wait on.
#pragma once

#include <condition_variable>
#include <mutex>
#include <vector>

#include "world/loop.h"
#include "world/task.h"

namespace tidemill::runtime {

// Thread-safe. Must be drained before it is destroyed.
class TaskGroup {
 public:
  TaskGroup() = default;
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // Runs the task on the loop and counts it until it ends; false, and the task is dropped unstarted, once closed.
  bool spawn(world::Loop& loop, world::Task<void> task);
  // The same for work that is not a task: leave() follows a true enter().
  bool enter();
  void leave();

  void close();
  bool closed() const;
  std::size_t running() const;

  void close_and_wait();                         // blocks; never on a loop whose tasks are in the group
  world::Task<void> drained(world::Loop& loop);  // closes; resumes on `loop` when the last has left

 private:
  mutable std::mutex mutex_;
  std::condition_variable empty_;
  std::vector<std::function<void(bool)>> waiting_;
  std::size_t running_ = 0;
  bool closed_ = false;
};

}  // namespace tidemill::runtime
