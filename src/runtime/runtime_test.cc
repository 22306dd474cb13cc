#include <gtest/gtest.h>

#include <future>
#include <latch>

#include "runtime/byte_budget.h"
#include "runtime/pool.h"
#include "runtime/seldom.h"
#include "runtime/shards.h"
#include "runtime/signal.h"
#include "runtime/task_group.h"
#include "runtime/turns.h"

namespace tidemill::runtime {
namespace {

using world::Task;

TEST(Shards, are_picked_in_turn_and_run_on_their_own_threads) {
  Shards shards(3);
  ASSERT_EQ(shards.size(), 3u);
  std::set<std::size_t> picked;
  std::set<std::thread::id> threads;
  for (int i = 0; i < 3; ++i) {
    auto& shard = shards.pick();
    picked.insert(shard.index);
    std::promise<std::thread::id> id;
    shard.loop.post([&id] { id.set_value(std::this_thread::get_id()); });
    threads.insert(id.get_future().get());
  }
  EXPECT_EQ(picked.size(), 3u);
  EXPECT_EQ(threads.size(), 3u);
}

Task<void> wait_and_count(world::Once<int>& gate, std::atomic<int>& ended) {
  co_await gate;
  ++ended;
}

TEST(TaskGroup, waits_for_every_task_and_refuses_new_ones_once_closed) {
  Shards shards(2);
  TaskGroup group;
  std::atomic<int> ended = 0;
  std::deque<world::Once<int>> gates;
  for (int i = 0; i < 20; ++i) {
    auto& loop = shards.pick().loop;
    ASSERT_TRUE(group.spawn(loop, wait_and_count(gates.emplace_back(loop), ended)));
  }
  group.close();
  EXPECT_FALSE(group.spawn(shards.at(0).loop, wait_and_count(gates.front(), ended)));
  EXPECT_EQ(group.running(), 20u);
  std::thread opener([&] { for (auto& gate : gates) gate.setter()(1); });
  group.close_and_wait();
  EXPECT_EQ(ended, 20);
  opener.join();
}

TEST(TaskGroup, drained_resumes_when_the_last_task_has_left) {
  Shards shards(2);
  TaskGroup group;
  std::atomic<int> ended = 0;
  world::Once<int> gate(shards.at(0).loop);
  ASSERT_TRUE(group.spawn(shards.at(0).loop, wait_and_count(gate, ended)));
  std::promise<int> seen;
  auto watch = [](TaskGroup& g, world::Loop& loop, std::atomic<int>& count, std::promise<int>& out) -> Task<void> {
    co_await g.drained(loop);
    EXPECT_TRUE(loop.on_this_thread());
    out.set_value(count);
  };
  world::spawn(shards.at(1).loop, watch(group, shards.at(1).loop, ended, seen));
  gate.setter()(1);
  EXPECT_EQ(seen.get_future().get(), 1);
}

TEST(Pool, refuses_when_full_and_finishes_what_it_took) {
  Pool pool("test", 1, 2);
  std::latch started(1), release(1);
  std::atomic<int> ran = 0;
  ASSERT_TRUE(pool.submit([&] { started.count_down(); release.wait(); ++ran; }));
  started.wait();
  ASSERT_TRUE(pool.submit([&] { ++ran; }));
  ASSERT_TRUE(pool.submit([&] { ++ran; }));
  auto refused = pool.submit([&] { ++ran; });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::busy);
  release.count_down();
  pool.stop();
  EXPECT_EQ(ran, 3);
  EXPECT_EQ(pool.submit([] {}).error().code, Code::cancelled);
}

TEST(Pool, run_on_brings_the_result_back_to_the_loop) {
  Shards shards(1);
  Pool pool("test", 2, 10);
  std::promise<int> out;
  auto scene = [](Pool& p, world::Loop& loop, std::promise<int>& value) -> Task<void> {
    auto work = [&loop]() -> Result<int> { return loop.on_this_thread() ? 0 : 42; };
    auto answer = co_await run_on(p, loop, work);
    EXPECT_TRUE(loop.on_this_thread());
    value.set_value(answer.value_or(-1));
  };
  world::spawn(shards.at(0).loop, scene(pool, shards.at(0).loop, out));
  EXPECT_EQ(out.get_future().get(), 42);
}

TEST(Signal, raised_before_the_wait_is_not_lost_and_counts_once) {
  world::LoopThread thread("signal");
  std::promise<int> out;
  Signal signal;
  int seen = 0;
  auto waiter = [](Signal& s, int& count, std::promise<int>& value) -> Task<void> {
    co_await s;
    ++count;
    co_await s;
    value.set_value(++count);
  };
  thread.loop().post([&] { signal.notify(); signal.notify(); });
  world::spawn(thread.loop(), waiter(signal, seen, out));
  thread.loop().post([&] { EXPECT_EQ(seen, 1); signal.notify(); });
  EXPECT_EQ(out.get_future().get(), 2);
}

Task<void> work_in_pieces(Turns& turns, world::Loop& loop, char name, std::string& done, TaskGroup& group) {
  for (int i = 0; i < 3; ++i) {
    co_await turns.enter();
    done += name;
    turns.leave();
    co_await Yield{loop};
  }
  group.leave();
}

TEST(Turns, long_work_of_one_does_not_hold_up_the_others) {
  Shards shards(1);
  auto& loop = shards.at(0).loop;
  Turns turns(loop, 1);
  TaskGroup group;
  std::string done;
  for (char name : {'a', 'b', 'c'}) {
    group.enter();
    world::spawn(loop, work_in_pieces(turns, loop, name, done, group));
  }
  group.close_and_wait();
  EXPECT_EQ(done, "abcabcabc");
}

TEST(Seldom, says_one_per_interval_and_how_many_it_kept_to_itself) {
  Seldom seldom(std::chrono::nanoseconds(100));
  EXPECT_EQ(seldom.now(5), 0u);
  EXPECT_EQ(seldom.now(50), std::nullopt);
  EXPECT_EQ(seldom.now(104), std::nullopt);
  EXPECT_EQ(seldom.now(105), 2u);
}

class ByteBudgetTest : public testing::Test {
 protected:
  using Holding = ByteBudget::Holding;
  std::unique_ptr<Holding> holding() { return std::make_unique<Holding>(budget, shards.at(0).loop, [] {}); }

  // Begins to take; what comes of it arrives in the future.
  std::future<bool> taking(Holding& of, std::size_t bytes) {
    auto keep = [](Holding& h, std::size_t b, std::promise<bool> p) -> Task<void> {
      auto taken = h.take(b);
      p.set_value(co_await taken);
    };
    std::promise<bool> promise;
    auto future = promise.get_future();
    world::spawn(shards.at(0).loop, keep(of, bytes, std::move(promise)));
    return future;
  }
  void wait_for_waiting(std::size_t count) {
    while (budget.waiting() != count) std::this_thread::yield();
  }

  Shards shards{1};
  ByteBudget budget{world::real_clock(), {.name = "kafka", .bytes_max = 100, .free_bytes = 10, .patience = std::chrono::hours(1)}};
};

TEST_F(ByteBudgetTest, only_one_goes_beyond_it_and_the_next_follows_when_that_one_has_given_back) {
  auto a = holding(), b = holding(), c = holding();
  ASSERT_TRUE(a->try_take(110));
  EXPECT_EQ(budget.taken(), 100u) << "ten were free";
  EXPECT_TRUE(taking(*b, 500).get());
  EXPECT_TRUE(b->beyond());
  auto third = taking(*c, 20);
  wait_for_waiting(1);
  EXPECT_TRUE(taking(*b, 500).get()) << "it goes on until it has what it needs";
  b->give_back(990);
  EXPECT_TRUE(third.get());
  EXPECT_FALSE(b->beyond());
  EXPECT_TRUE(c->beyond());
}

TEST_F(ByteBudgetTest, those_who_wait_come_before_those_who_come_later) {
  auto a = holding(), b = holding(), c = holding(), d = holding();
  ASSERT_TRUE(a->try_take(110));
  EXPECT_TRUE(taking(*b, 30).get());
  auto waits = taking(*c, 60);
  wait_for_waiting(1);
  a->give_back(15);
  EXPECT_EQ(budget.taken(), 105u);
  EXPECT_FALSE(d->try_take(20));
  EXPECT_EQ(d->take_some(20), 10u) << "what is free is free for everybody";
  b->give_back(30);
  EXPECT_TRUE(waits.get());
}

TEST_F(ByteBudgetTest, ending_wakes_who_waits_with_nothing) {
  auto a = holding(), b = holding(), c = holding();
  ASSERT_TRUE(a->try_take(110));
  EXPECT_TRUE(taking(*b, 30).get());
  auto waits = taking(*c, 20);
  wait_for_waiting(1);
  c->end();
  EXPECT_FALSE(waits.get());
  EXPECT_EQ(c->held(), 0u);
  EXPECT_FALSE(taking(*c, 1).get());
}

}  // namespace
}  // namespace tidemill::runtime
