// ByteBudget: memory that clients make a server hold, shared by all of them. The problem: each client is within its own limit, and
// together they take more than there is. What one holds beyond a small free amount is taken from the budget before room is made for it;
// when there is none left, who wants more waits in turn.
//
// Always true:
// - Waiting ends. When nobody else can go on, the first in the queue may go beyond the budget, alone, until it has given everything back
//   or the total fits again. So a single thing may be larger than the whole budget.
// - While somebody waits, a holder whose client neither sends nor reads `progress_bytes` within `patience` is shown the door.
//
// One Holding per client, used on its loop; the budget is thread-safe and outlives its holdings.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_set>

#include "observe/metrics.h"
#include "runtime/seldom.h"
#include "world/clock.h"
#include "world/task.h"

namespace tidemill::runtime {

struct ByteBudgetOptions {
  std::string name;                            // in logs and metrics: "kafka"
  std::size_t bytes_max = 256u << 20;
  std::size_t free_bytes = 16 * 1024;          // of each holding, for nothing
  std::size_t progress_bytes = 64 * 1024;
  std::chrono::milliseconds patience{10'000};
};

class ByteBudget {
 public:
  class Holding;
  ByteBudget(world::Clock& clock, ByteBudgetOptions options);
  ~ByteBudget();
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  const ByteBudgetOptions& options() const { return options_; }
  std::size_t taken() const;
  std::size_t waiting() const;

 private:
  struct Waiter {
    Holding* holding;
    std::size_t bytes;
    std::function<void(bool)> granted;
  };
  std::size_t cost(const Holding& holding, std::size_t more) const;
  void add(Holding& holding, std::size_t bytes);
  void remove(Holding& holding, std::size_t bytes);
  bool may_have(const Holding& holding, std::size_t bytes) const;
  void let_go_on();
  void show_the_door(std::int64_t now_ns);

  world::Clock& clock_;
  const ByteBudgetOptions options_;
  observe::Gauge& bytes_gauge_;
  observe::Counter& waits_;
  observe::Counter& stalled_;
  Seldom warning_;
  mutable std::mutex mutex_;  // for all below, and for what a Holding says is the budget's
  std::size_t taken_ = 0;
  std::deque<Waiter> queue_;
  Holding* beyond_ = nullptr;  // the one that may go beyond the budget
  std::unordered_set<Holding*> holders_;  // those that have taken something
  std::int64_t looked_ns_ = 0;
};

class ByteBudget::Holding {
 public:
  // `leave` ends the client, from any thread, later: it is called while the budget is locked.
  Holding(ByteBudget& budget, world::Loop& loop, std::function<void()> leave);
  ~Holding();  // gives back; nobody waits in it any more
  Holding(const Holding&) = delete;
  Holding& operator=(const Holding&) = delete;

  // Waits until there is so much; false, and nothing is held, once end() was called.
  world::Task<bool> take(std::size_t bytes);
  // The same if that needs no waiting.
  bool try_take(std::size_t bytes);
  // At most `wished`: what can be had now without leaving others nothing. May be 0.
  std::size_t take_some(std::size_t wished);
  // For what is there already and cannot wait; may go beyond the budget.
  void take_anyway(std::size_t bytes);
  void give_back(std::size_t bytes);
  std::size_t held() const;
  // It goes beyond the budget: it should finish what it has begun before it begins anything more.
  bool beyond() const;
  // Those who wait get false, now and later.
  void end();

  // Whether it is the client that must move: in a request that is being received, in an answer that is being sent.
  class Client {
   public:
    void begins(std::int64_t now_ns) { bytes_ = 0, since_ns_.store(now_ns, std::memory_order_relaxed); }
    void moved(std::size_t bytes, std::size_t enough, std::int64_t now_ns) {
      if ((bytes_ += bytes) >= enough) begins(now_ns);
    }
    void ends() { since_ns_.store(never, std::memory_order_relaxed); }
    std::int64_t since_ns() const { return since_ns_.load(std::memory_order_relaxed); }
    bool begun() const { return since_ns() != never; }

   private:
    static constexpr std::int64_t never = INT64_MAX;
    std::atomic<std::int64_t> since_ns_ = never;
    std::size_t bytes_ = 0;
  };
  void client_begins(Client& client) { client.begins(budget_.clock_.monotonic_ns()); }
  void client_moved(Client& client, std::size_t bytes) { client.moved(bytes, budget_.options_.progress_bytes, budget_.clock_.monotonic_ns()); }
  Client sending, reading;

 private:
  friend class ByteBudget;
  void look_later();

  ByteBudget& budget_;
  world::Loop& loop_;
  std::function<void()> leave_;
  // The budget's.
  std::size_t held_ = 0;
  bool ended_ = false;
  bool leaving_ = false;
  // The loop's.
  std::size_t waiting_ = 0;
  std::uint64_t look_timer_ = 0;
};

}  // namespace tidemill::runtime
