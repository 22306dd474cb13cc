#include "world/simulated.h"

#include <gtest/gtest.h>

namespace tidemill::world {
namespace {

constexpr std::chrono::seconds patience{10};

Task<void> echo(std::unique_ptr<Connection> connection) {
  std::array<std::byte, 300> buffer;
  for (;;) {
    auto got = co_await connection->read_some(buffer);
    if (!got || *got == 0) co_return;
    std::vector<Slice> parts;
    parts.push_back(Slice::copy(std::span(buffer).first(*got)));
    auto written = co_await connection->write(std::move(parts));
    if (!written) co_return;
  }
}

Task<void> serve_echo(Listener& listener, Loop& loop, Code& ended) {
  for (;;) {
    auto connection = co_await listener.accept(loop);
    if (!connection) {
      ended = connection.error().code;
      co_return;
    }
    spawn(loop, echo(std::move(*connection)));
  }
}

Task<void> talk(Net& net, Loop& loop, Address address, std::string text, std::vector<std::string>& answers, std::vector<std::size_t>& cuts) {
  auto made = co_await net.connect(loop, address);
  EXPECT_TRUE(made);
  auto connection = std::move(*made);
  std::vector<Slice> parts{Slice::copy(text)};
  auto written = co_await connection->write(std::move(parts));
  EXPECT_TRUE(written);
  std::string back;
  std::array<std::byte, 500> buffer;
  while (back.size() < text.size()) {
    auto got = co_await connection->read_some(buffer);
    if (!got || *got == 0) break;
    cuts.push_back(*got);
    back += as_text(std::span(buffer).first(*got));
  }
  EXPECT_EQ(back, text);
  answers.push_back(text.substr(0, 1));
}

// Everything that chance decided in one run: the order of the answers and the cuts of the bytes.
struct Run {
  std::vector<std::string> answers;
  std::vector<std::size_t> cuts;
  bool operator==(const Run&) const = default;
};

Run run_echo(std::uint64_t seed) {
  SimulatedWorld world(seed);
  auto& server = world.add_loop();
  auto& clients = world.add_loop();
  auto listener = world.net().listen(server, {"127.0.0.1", 0});
  EXPECT_TRUE(listener);
  Code ended = Code::internal;
  spawn(server, serve_echo(**listener, server, ended));
  Run run;
  for (char c = 'a'; c < 'g'; ++c) spawn(clients, talk(world.net(), clients, (*listener)->address(), std::string(20'000, c), run.answers, run.cuts));
  EXPECT_TRUE(world.run_until([&] { return run.answers.size() == 6; }, patience));
  (*listener)->close();
  world.run_until_idle();
  EXPECT_EQ(ended, Code::cancelled);
  return run;
}

TEST(SimulatedWorld, an_echo_server_answers_everybody_and_a_seed_gives_the_same_run) {
  auto first = run_echo(1);
  EXPECT_EQ(first, run_echo(1));
  EXPECT_NE(first, run_echo(2));
  for (std::uint64_t seed = 3; seed < 50; ++seed) run_echo(seed);
}

TEST(SimulatedWorld, time_passes_only_when_asked_and_timers_keep_their_order) {
  SimulatedWorld world(7);
  auto& loop = world.add_loop();
  std::string order;
  loop.run_after(std::chrono::milliseconds(20), [&] { order += "b"; });
  loop.run_after(std::chrono::milliseconds(10), [&] { order += "a"; loop.run_after(std::chrono::milliseconds(15), [&] { order += "c"; }); });
  auto gone = loop.run_after(std::chrono::milliseconds(12), [&] { order += "X"; });
  loop.cancel(gone);
  world.run_until_idle();
  EXPECT_EQ(order, "");
  auto before_ms = world.clock().now_ms();
  world.advance(std::chrono::milliseconds(24));
  EXPECT_EQ(order, "ab");
  EXPECT_EQ(world.clock().now_ms(), before_ms + 24);
  world.advance(std::chrono::milliseconds(1));
  EXPECT_EQ(order, "abc");
}

TEST(SimulatedWorld, close_cancels_ours_and_ends_theirs_and_a_pulled_cable_is_an_error) {
  SimulatedWorld world(3);
  auto& loop = world.add_loop();
  auto listener = world.net().listen(loop, {"127.0.0.1", 0});
  ASSERT_TRUE(listener);
  std::unique_ptr<Connection> ours, theirs;
  auto open = [](Net& net, Loop& l, Listener& door, std::unique_ptr<Connection>& a, std::unique_ptr<Connection>& b) -> Task<void> {
    a = std::move(*co_await net.connect(l, door.address()));
    b = std::move(*co_await door.accept(l));
  };
  auto read = [](Connection& from, std::string& out) -> Task<void> {
    std::array<std::byte, 10> buffer;
    auto got = co_await from.read_some(buffer);
    out = got ? "read " + std::to_string(*got) : std::string(code_name(got.error().code));
  };
  std::string a, b;
  for (bool pulled : {false, true}) {
    spawn(loop, open(world.net(), loop, **listener, ours, theirs));
    world.run_until_idle();
    spawn(loop, read(*ours, a));
    spawn(loop, read(*theirs, b));
    world.run_until_idle();
    pulled ? world.break_connections() : ours->close();
    world.run_until_idle();
    EXPECT_EQ(a, pulled ? "io" : "cancelled");
    EXPECT_EQ(b, pulled ? "io" : "read 0");
  }
}

TEST(SimulatedWorld, a_writer_waits_for_a_reader_that_does_not_read) {
  SimulatedWorld world(4);
  auto& loop = world.add_loop();
  auto listener = world.net().listen(loop, {"127.0.0.1", 0});
  ASSERT_TRUE(listener);
  bool written = false;
  std::size_t read_bytes = 0;
  bool reading = false;
  auto write = [](Net& net, Loop& l, Address to, bool& done) -> Task<void> {
    auto connection = std::move(*co_await net.connect(l, to));
    std::vector<Slice> parts{Slice::copy(std::string(1'000'000, 'x'))};
    auto sent = co_await connection->write(std::move(parts));
    done = sent.has_value();
  };
  auto read = [](Loop& l, Listener& from, bool& may, std::size_t& total) -> Task<void> {
    auto connection = std::move(*co_await from.accept(l));
    auto pause = sleep_for(l, std::chrono::milliseconds(5));
    while (!may) co_await pause;
    std::vector<std::byte> buffer(10'000);
    for (;;) {
      auto got = co_await connection->read_some(buffer);
      if (!got || *got == 0) co_return;
      total += *got;
    }
  };
  spawn(loop, write(world.net(), loop, (*listener)->address(), written));
  spawn(loop, read(loop, **listener, reading, read_bytes));
  world.advance(std::chrono::milliseconds(100));
  EXPECT_FALSE(written);
  reading = true;
  EXPECT_TRUE(world.run_until([&] { return read_bytes == 1'000'000; }, patience));
  world.run_until_idle();
  EXPECT_TRUE(written);
}

}  // namespace
}  // namespace tidemill::world
