// Signal: "look again". One task waits, others on the same loop notify; several notifications before the wait are one.
// For a single loop only; between threads use world::Once or Loop::post.
#pragma once

#include <coroutine>
#include <utility>

#include "base/check.h"

namespace tidemill::runtime {

class Signal {
 public:
  // Resumes the waiting task within this call, or lets the next wait pass at once.
  void notify() {
    if (auto waiter = std::exchange(waiter_, nullptr)) waiter.resume();
    else raised_ = true;
  }

  bool await_ready() { return std::exchange(raised_, false); }
  void await_suspend(std::coroutine_handle<> h) {
    CHECK(!waiter_, "a Signal has one waiter");
    waiter_ = h;
  }
  void await_resume() const noexcept {}

 private:
  std::coroutine_handle<> waiter_;
  bool raised_ = false;
};

}  // namespace tidemill::runtime
