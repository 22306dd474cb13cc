#include <gtest/gtest.h>

#include <future>

#include "world/real.h"

namespace tidemill::world {
namespace {

Address any_port() { return {"127.0.0.1", 0}; }

// Runs a task on a loop and waits for its value in the test's thread.
template <class T>
T wait_for(Loop& loop, Task<T> task) {
  std::promise<T> value;
  auto run = [](Task<T> inner, std::promise<T>& out) -> Task<void> { out.set_value(co_await inner); };
  spawn(loop, run(std::move(task), value));
  auto future = value.get_future();
  EXPECT_EQ(future.wait_for(std::chrono::seconds(20)), std::future_status::ready) << "the task did not end";
  return future.get();
}

Task<void> echo(std::unique_ptr<Connection> connection, std::atomic<int>& ended) {
  std::array<std::byte, 1000> buffer;
  for (;;) {
    auto got = co_await connection->read_some(buffer);
    if (!got || *got == 0) break;
    std::vector<Slice> parts;
    parts.push_back(Slice::copy(std::span(buffer).first(*got)));
    if (!co_await connection->write(std::move(parts))) break;
  }
  ++ended;
}

Task<void> accept_all(Listener& listener, Loop& other, std::atomic<int>& ended, std::promise<Code>& stopped) {
  for (;;) {
    auto connection = co_await listener.accept(other);
    if (!connection) {
      stopped.set_value(connection.error().code);
      co_return;
    }
    spawn(other, echo(std::move(*connection), ended));
  }
}

Task<Result<std::string>> read_exactly(Connection& connection, std::size_t count) {
  std::string text(count, '\0');
  std::size_t have = 0;
  while (have < count) {
    auto got = co_await connection.read_some(std::as_writable_bytes(std::span(text)).subspan(have));
    if (!got) co_return got.error();
    if (*got == 0) co_return fail(Code::io, "the other side closed early");
    have += *got;
  }
  co_return text;
}

Task<bool> talk(Net& net, Loop& loop, Address address, int number) {
  auto connection = co_await net.connect(loop, address);
  if (!connection) co_return false;
  for (int round = 0; round < 5; ++round) {
    auto text = std::string(static_cast<std::size_t>(number % 50 + 1) * 37, static_cast<char>('a' + number % 26));
    std::vector<Slice> parts{Slice::copy(text), Slice(), Slice::borrow("!")};
    if (!co_await (*connection)->write(std::move(parts))) co_return false;
    auto back = co_await read_exactly(**connection, text.size() + 1);
    if (!back || *back != text + "!") co_return false;
  }
  co_return true;
}

class RealNetTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = net_->listen(front_.loop(), any_port());
    ASSERT_TRUE(made);
    listener_ = std::move(*made);
  }
  void start_echo() { spawn(front_.loop(), accept_all(*listener_, back_.loop(), ended_, stopped_)); }
  Code stop_echo() {
    front_.loop().post([&] { listener_->close(); });
    auto future = stopped_.get_future();
    EXPECT_EQ(future.wait_for(std::chrono::seconds(20)), std::future_status::ready);
    return future.get();
  }

  std::unique_ptr<Net> net_ = real_net();
  LoopThread front_{"front"}, back_{"back"};
  std::unique_ptr<Listener> listener_;
  std::atomic<int> ended_ = 0;
  std::promise<Code> stopped_;
};

TEST_F(RealNetTest, many_connections_echo_on_another_loop_and_closing_the_listener_cancels_accept) {
  start_echo();
  std::vector<std::future<bool>> answers;
  std::deque<std::promise<bool>> promises;
  auto run = [](Task<bool> inner, std::promise<bool>& out) -> Task<void> { out.set_value(co_await inner); };
  for (int i = 0; i < 200; ++i) {
    answers.push_back(promises.emplace_back().get_future());
    spawn(front_.loop(), run(talk(*net_, front_.loop(), listener_->address(), i), promises.back()));
  }
  for (auto& answer : answers) {
    ASSERT_EQ(answer.wait_for(std::chrono::seconds(20)), std::future_status::ready);
    EXPECT_TRUE(answer.get());
  }
  EXPECT_EQ(stop_echo(), Code::cancelled);
  while (ended_ < 200) std::this_thread::yield();
}

TEST_F(RealNetTest, one_byte_reads_lose_nothing) {
  start_echo();
  auto drip = [](Net& net, Loop& loop, Address address) -> Task<std::string> {
    auto connection = co_await net.connect(loop, address);
    std::vector<Slice> parts{Slice::borrow("drop by drop")};
    auto written = co_await (*connection)->write(std::move(parts));
    EXPECT_TRUE(written);
    std::string all;
    while (all.size() < 12) {
      std::byte one{};
      auto got = co_await (*connection)->read_some(std::span(&one, 1));
      if (!got || *got == 0) break;
      all.push_back(static_cast<char>(one));
    }
    co_return all;
  };
  EXPECT_EQ(wait_for(front_.loop(), drip(*net_, front_.loop(), listener_->address())), "drop by drop");
  stop_echo();
  while (ended_ < 1) std::this_thread::yield();
}

TEST_F(RealNetTest, closing_a_connection_cancels_its_waiting_read) {
  auto scene = [](Net& net, Loop& loop, Listener& listener) -> Task<Code> {
    auto ours = co_await net.connect(loop, listener.address());
    auto theirs = co_await listener.accept(loop);
    loop.run_after(std::chrono::milliseconds(1), [&ours] { (*ours)->close(); });
    std::array<std::byte, 10> buffer;
    auto got = co_await (*ours)->read_some(buffer);
    EXPECT_FALSE(got);
    auto end = co_await (*theirs)->read_some(buffer);
    EXPECT_EQ(end.value_or(99), 0u) << "the peer sees the end";
    auto late = co_await (*ours)->read_some(buffer);
    EXPECT_EQ(late.error().code, Code::cancelled) << "a read after close";
    co_return got.error().code;
  };
  EXPECT_EQ(wait_for(front_.loop(), scene(*net_, front_.loop(), *listener_)), Code::cancelled);
}

TEST_F(RealNetTest, a_write_larger_than_every_buffer_arrives_whole_and_is_cancelled_by_close) {
  static const std::string big(20'000'000, 'x');
  auto write_big = [](Connection& connection, std::function<void(Result<void>)> done) -> Task<void> {
    std::vector<Slice> parts(100, Slice::borrow(std::string_view(big).substr(0, 200'000)));
    done(co_await connection.write(std::move(parts)));
  };
  auto scene = [write_big](Net& net, Loop& loop, Listener& listener) -> Task<bool> {
    auto ours = co_await net.connect(loop, listener.address());
    auto theirs = co_await listener.accept(loop);
    Once<Result<void>> whole(loop), cut(loop);
    spawn(loop, write_big(**ours, whole.setter()));
    auto all = co_await read_exactly(**theirs, big.size());
    EXPECT_TRUE(all && *all == big);
    auto first = co_await whole;
    EXPECT_TRUE(first);
    spawn(loop, write_big(**ours, cut.setter()));
    std::byte one{};
    auto got = co_await (*theirs)->read_some(std::span(&one, 1));
    EXPECT_EQ(got.value_or(0), 1u);
    (*ours)->close();
    auto second = co_await cut;
    EXPECT_FALSE(second);
    co_return !second && second.error().code == Code::cancelled;
  };
  EXPECT_TRUE(wait_for(front_.loop(), scene(*net_, front_.loop(), *listener_)));
}

TEST_F(RealNetTest, a_taken_port_is_busy_and_named) {
  auto second = net_->listen(back_.loop(), listener_->address());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::busy);
  EXPECT_EQ(second.error().message, "address " + listener_->address().text() + " is in use");
}

TEST_F(RealNetTest, connecting_by_name_works_and_to_a_closed_port_is_unavailable) {
  auto address = listener_->address();
  auto by_name = [](Net& net, Loop& loop, Address a) -> Task<bool> { co_return (co_await net.connect(loop, a)).has_value(); };
  EXPECT_TRUE(wait_for(front_.loop(), by_name(*net_, front_.loop(), {"localhost", address.port})));
  std::promise<void> closed;
  front_.loop().post([&] { listener_->close(); closed.set_value(); });
  closed.get_future().get();
  auto code = [](Net& net, Loop& loop, Address a) -> Task<Code> {
    auto connection = co_await net.connect(loop, a);
    co_return connection ? Code::internal : connection.error().code;
  };
  EXPECT_EQ(wait_for(front_.loop(), code(*net_, front_.loop(), address)), Code::unavailable);
}

TEST(RealLoop, timers_run_in_time_order_and_a_cancelled_one_does_not) {
  LoopThread thread("timers");
  std::promise<std::string> order;
  thread.loop().post([&] {
    auto& loop = thread.loop();
    EXPECT_TRUE(loop.on_this_thread());
    auto text = std::make_shared<std::string>();
    loop.run_after(std::chrono::milliseconds(20), [text, &order] { order.set_value(*text + "c"); });
    loop.run_after(std::chrono::milliseconds(1), [text] { *text += "a"; });
    auto gone = loop.run_after(std::chrono::milliseconds(5), [text] { *text += "X"; });
    loop.cancel(gone);
    loop.run_after(std::chrono::milliseconds(10), [text] { *text += "b"; });
  });
  EXPECT_FALSE(thread.loop().on_this_thread());
  EXPECT_EQ(order.get_future().get(), "abc");
}

TEST(Once, the_first_value_wins_and_wakes_the_task_on_its_loop) {
  LoopThread thread("once");
  auto scene = [](Loop& loop) -> Task<int> {
    Once<int> done(loop);
    auto set = done.setter();
    std::thread other([set] { set(7); set(8); });
    int value = co_await done;
    other.join();
    EXPECT_TRUE(loop.on_this_thread());
    co_return value;
  };
  EXPECT_EQ(wait_for(thread.loop(), scene(thread.loop())), 7);
}

TEST(Address, is_parsed_or_refused) {
  EXPECT_EQ(parse_address("127.0.0.1:9092").value_or(Address{}).text(), "127.0.0.1:9092");
  EXPECT_EQ(parse_address("[::1]:0").value_or(Address{}).text(), "[::1]:0");
  EXPECT_TRUE(parse_address("localhost:1").value_or(Address{}).loopback());
  for (auto bad : {"", "x", ":1", "h:", "h:65536", "h:-1", "h:1x", "::1:9", "[]:1"}) EXPECT_FALSE(parse_address(bad)) << bad;
}

}  // namespace
}  // namespace tidemill::world
