// Loop over Asio's io_context: one thread runs it, everybody may post.
#include <fmt/core.h>
#include <pthread.h>
#include <signal.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/check.h"
#include "world/asio_loop.h"
#include "world/real.h"

namespace tidemill::world {
namespace {

namespace asio = boost::asio;

class RealLoop final : public Loop {
 public:
  void post(Job job) override { asio::post(context, std::move(job)); }

  std::uint64_t run_after(std::chrono::milliseconds delay, Job job) override {
    auto id = next_timer_++;
    auto& timer = timers_.emplace(id, asio::steady_timer(context, delay)).first->second;
    timer.async_wait([this, id, run = std::move(job)](boost::system::error_code) mutable {
      // A cancelled timer is gone from the map; its job is dropped here, also when it was due already.
      if (timers_.erase(id) != 0) run();
    });
    return id;
  }

  void cancel(std::uint64_t timer) override { timers_.erase(timer); }
  bool on_this_thread() const override { return executor_.running_in_this_thread(); }

  asio::io_context context{1};

 private:
  asio::io_context::executor_type executor_ = context.get_executor();
  std::unordered_map<std::uint64_t, asio::steady_timer> timers_;
  std::uint64_t next_timer_ = 1;
};

}  // namespace

asio::io_context& io_context_of(Loop& loop) {
  auto* real = dynamic_cast<RealLoop*>(&loop);
  CHECK(real, "the real net needs a real loop");
  return real->context;
}

std::thread start_thread(const std::string& name, Job body) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(std::move(body));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_setname_np(thread.native_handle(), name.substr(0, 15).c_str());
  return thread;
}

LoopThread::LoopThread(const std::string& name) : loop_(std::make_unique<RealLoop>()) {
  auto& context = io_context_of(*loop_);
  thread_ = start_thread(name, [&context] {
    auto stay = asio::make_work_guard(context);
    context.run();
  });
}

LoopThread::~LoopThread() {
  stop();
  join();
}

void LoopThread::stop() {
  auto& context = io_context_of(*loop_);
  loop_->post([&context] { context.stop(); });
}

void LoopThread::join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace tidemill::world
