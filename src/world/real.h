// The real doors: Linux's disk, clocks and random numbers, TCP, and threads that run loops. What is returned by reference
// lives as long as the process and may be used from any thread.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "world/clock.h"
#include "world/disk.h"
#include "world/loop.h"
#include "world/net.h"

namespace tidemill::world {

Disk& real_disk();
Clock& real_clock();
Random& real_random();           // getrandom(2), buffered
std::unique_ptr<Net> real_net();  // works on loops of LoopThread only

// A thread that runs one real loop, from construction to stop(). All signals are blocked in it: the main thread takes them.
// Before stop(), whoever spawned tasks here ends them (closes what they wait on): a task still waiting then is leaked.
class LoopThread {
 public:
  explicit LoopThread(const std::string& name);  // the name is what `top -H` shows; 15 characters count
  ~LoopThread();                                 // stops and joins
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  Loop& loop() { return *loop_; }
  // From any thread: what was posted before still runs, what comes after does not. Idempotent.
  void stop();
  void join();

 private:
  std::unique_ptr<Loop> loop_;
  std::thread thread_;
};

// Starts a thread with the name and with all signals blocked.
std::thread start_thread(const std::string& name, Job body);

}  // namespace tidemill::world
