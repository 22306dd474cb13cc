// What a connector's blocking thread waits on beside its own socket: an event descriptor that others ring, and the word to stop.
// Owned by the connector; ring() and stop() may come from any thread, the rest from the connector's own.
#pragma once

#include <atomic>
#include <chrono>

namespace tidemill::connect {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  void ring();
  void stop();  // for good
  bool stopped() const { return stopped_.load(std::memory_order_acquire); }

  // Waits until `fd` (-1: none) is readable, or writable when asked for, or somebody rings, or the time is over. True when `fd` is ready.
  bool wait(int fd, bool for_write, std::chrono::milliseconds timeout);
  // The same without a socket: a sleep that a ring ends.
  void rest(std::chrono::milliseconds timeout) { wait(-1, false, timeout); }

 private:
  int event_ = -1;
  std::atomic<bool> stopped_ = false;
};

}  // namespace tidemill::connect
