// Task<T>: our coroutine. Lazy (starts when awaited or spawned), single owner, resumed on the loop it was spawned on.
//
//   Task<Result<int>> read_header(Connection& c);         // parameters by value or outliving the task
//   spawn(loop, serve(std::move(connection)));            // fire and let run; the owner stops it by closing what it waits on
//
// Rules: name it, then await it (no braced temporary or capturing lambda in the awaiting statement); no co_await in catch; no
// lock held across co_await. A task never throws: an escaping exception ends the process.
#pragma once

#include <coroutine>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "world/loop.h"

namespace tidemill::world {

template <class T>
class Task;

namespace task_detail {

struct PromiseBase {
  std::coroutine_handle<> waiter;
  std::suspend_always initial_suspend() noexcept { return {}; }
  struct Final {
    bool await_ready() noexcept { return false; }
    template <class P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> h) noexcept {
      auto next = h.promise().waiter;
      return next ? next : std::noop_coroutine();
    }
    void await_resume() noexcept {}
  };
  Final final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { std::terminate(); }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  Task<T> get_return_object();
  template <class U = T>
  void return_value(U&& v) { value.emplace(std::forward<U>(v)); }
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object();
  void return_void() {}
};

}  // namespace task_detail

template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = task_detail::Promise<T>;
  explicit Task(std::coroutine_handle<promise_type> h) : handle_(h) {}
  Task(Task&& o) noexcept : handle_(std::exchange(o.handle_, nullptr)) {}
  Task& operator=(Task&& o) noexcept {
    if (this != &o) { if (handle_) handle_.destroy(); handle_ = std::exchange(o.handle_, nullptr); }
    return *this;
  }
  ~Task() { if (handle_) handle_.destroy(); }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> waiter) noexcept {
    handle_.promise().waiter = waiter;
    return handle_;
  }
  T await_resume() {
    if constexpr (!std::is_void_v<T>) return std::move(*handle_.promise().value);
  }

 private:
  std::coroutine_handle<promise_type> handle_;
};

namespace task_detail {
template <class T>
Task<T> Promise<T>::get_return_object() { return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this)); }
inline Task<void> Promise<void>::get_return_object() { return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this)); }

// A coroutine that frees itself; carries a spawned task.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};
inline Detached run_detached(Task<void> task) { co_await task; }
}  // namespace task_detail

// Starts `task` on `loop`; from any thread.
inline void spawn(Loop& loop, Task<void> task) {
  loop.post([t = std::move(task)]() mutable { task_detail::run_detached(std::move(t)); });
}

// Awaits the passing of time on `loop`, which must be the loop of the awaiting task.
struct Sleep {
  Loop& loop;
  std::chrono::milliseconds delay;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) { loop.run_after(delay, [h] { h.resume(); }); }
  void await_resume() const noexcept {}
};
inline Sleep sleep_for(Loop& loop, std::chrono::milliseconds delay) { return Sleep{loop, delay}; }

// One value that arrives once, from any thread, for one waiting task, which resumes on `loop`.
//   Once<Result<Appended>> done(loop);  log.append(std::move(append), done.setter());  auto result = co_await done;
// The first set wins, later ones are ignored (so a timer and an answer may race).
template <class T>
class Once {
 public:
  explicit Once(Loop& loop) : state_(std::make_shared<State>(loop)) {}

  // Copyable; safe to call from any thread, also after the Once itself is gone.
  auto setter() const {
    return [s = state_](T value) {
      {
        std::lock_guard hold(s->mutex);
        if (s->value) return;
        s->value.emplace(std::move(value));
        if (!s->waiter) return;
      }
      s->loop.post([s] { s->waiter.resume(); });
    };
  }

  bool await_ready() const { std::lock_guard hold(state_->mutex); return state_->value.has_value(); }
  bool await_suspend(std::coroutine_handle<> h) {
    std::lock_guard hold(state_->mutex);
    if (state_->value) return false;
    state_->waiter = h;
    return true;
  }
  T await_resume() { std::lock_guard hold(state_->mutex); return std::move(*state_->value); }

 private:
  struct State {
    explicit State(Loop& l) : loop(l) {}
    Loop& loop;
    std::mutex mutex;
    std::optional<T> value;
    std::coroutine_handle<> waiter;
  };
  std::shared_ptr<State> state_;
};

}  // namespace tidemill::world
