// Turns: so that long work of many tasks does not hold up a loop. Few of them work at the same time, the others wait in order; and who works
// goes to the back of the loop's queue now and then (Yield), so that short work of others gets in between. Without the first, a thousand
// tasks that yield still make everybody wait for a round of a thousand.
// Used on one loop only; no locks.
#pragma once

#include <coroutine>
#include <deque>

#include "world/loop.h"

namespace tidemill::runtime {

// co_await Yield{loop}: goes on after everything that the loop has to do already.
struct Yield {
  world::Loop& loop;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    loop.post([h] { h.resume(); });
  }
  void await_resume() const noexcept {}
};

class Turns {
 public:
  Turns(world::Loop& loop, std::size_t at_once) : loop_(loop), left_(at_once) {}

  // Awaited before the work; leave() follows it.
  auto enter() { return Entering{*this}; }
  void leave() {
    if (waiting_.empty()) {
      ++left_;
      return;
    }
    // The place passes on to the next, which does not begin within this call: a row of them would grow the stack.
    loop_.post([next = waiting_.front()] { next.resume(); });
    waiting_.pop_front();
  }
  // For work that may wait for somebody else in its middle: it begins in turn, and the next one follows when it waits or ends.
  auto pass() { return Passing{{*this}}; }

 private:
  struct Entering {
    Turns& turns;
    bool await_ready() {
      if (turns.left_ == 0) return false;
      --turns.left_;
      return true;
    }
    void await_suspend(std::coroutine_handle<> h) { turns.waiting_.push_back(h); }
    void await_resume() const noexcept {}
  };
  struct Passing : Entering {
    void await_resume() const { turns.leave(); }
  };

  world::Loop& loop_;
  std::size_t left_;
  std::deque<std::coroutine_handle<>> waiting_;
};

}  // namespace tidemill::runtime
