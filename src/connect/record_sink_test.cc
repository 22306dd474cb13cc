#include "connect/record_sink.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "connect/position_stream.h"
#include "log/memory_log.h"
#include "world/disk.h"
#include "world/real.h"

namespace tidemill::connect {
namespace {

// Refuses one append of `each`, as a disk does that fills up and is freed again. Not every n-th: n appends that come again together would
// meet the refusal at the same place for ever.
class FullNowAndThen : public log::MemoryLog {
 public:
  FullNowAndThen(world::Clock& clock, int each) : MemoryLog(clock), each_(each) {}
  void append(log::Append append, log::AppendDone done) override {
    appends_ = appends_ * 1664525 + 1013904223;
    if (each_ > 0 && (appends_ >> 16) % static_cast<std::uint32_t>(each_) == 0) return done(fail(Code::full, "the disk is full"));
    MemoryLog::append(std::move(append), std::move(done));
  }
  int each_;
  std::uint32_t appends_ = 0;
};

std::vector<std::string> values(log::Log& log, StreamId stream) {
  std::vector<std::string> out;
  for (Offset at; at < log.bounds(stream).end;)
    for (auto& batch : *log.read(stream, at, 1u << 20)) {
      auto reader = record::BatchRecords::open(batch.bytes, batch.base);
      for (record::RecordView view; *reader->next(view); at = Offset(view.offset + 1)) out.emplace_back(view.value.value_or("null"));
    }
  return out;
}

struct Fixture {
  explicit Fixture(int refuse_each) : log(world::real_clock(), 0) {
    char name[] = "/tmp/tidemill-sink-XXXXXX";
    dir = ::mkdtemp(name);
    catalog = std::move(*catalog::Catalog::open(log, world::real_disk(), world::real_clock(), world::real_random(), dir));
    EXPECT_TRUE(catalog->change_and_wait({catalog::CreateTopic{.tenant = default_tenant, .name = "t"}}));
    log.each_ = refuse_each;
  }
  ~Fixture() { EXPECT_EQ(std::system(("rm -rf " + dir).c_str()), 0); }
  FullNowAndThen log;
  std::string dir;
  std::unique_ptr<catalog::Catalog> catalog;
  Interrupt interrupt;
};

}  // namespace

TEST(RecordSink, refused_appends_come_again_in_their_order_and_once) {
  Fixture f(7);
  RecordSinkOptions options;
  options.positions = StreamId(900);
  RecordSink sink(f.log, *f.catalog, world::real_clock(), f.interrupt, options);
  auto topic = sink.topic("t");
  ASSERT_TRUE(topic);
  std::vector<std::string> expected;
  for (std::uint64_t i = 1; i <= 40; ++i) {
    expected.push_back(std::to_string(i));
    sink.add(**topic, 0, "k", expected.back());
    ASSERT_TRUE(sink.commit(expected.back(), i));
  }
  ASSERT_TRUE(sink.drain());
  EXPECT_EQ(sink.durable_mark(), 40u);
  EXPECT_EQ(values(f.log, f.catalog->find_topic(default_tenant, "t")->stream(0)), expected);
  EXPECT_EQ(values(f.log, StreamId(900)), expected);
}

// Takes a number of appends and then none, as a process does that is killed.
class EndsAfter : public log::MemoryLog {
 public:
  using MemoryLog::MemoryLog;
  void append(log::Append append, log::AppendDone done) override {
    if (left-- <= 0) return done(fail(Code::unavailable, "killed"));
    MemoryLog::append(std::move(append), std::move(done));
  }
  int left = 1000;
};

std::string noise(std::size_t size) {
  std::string text;
  for (std::uint32_t x = 1; text.size() < size; x = x * 1664525 + 1013904223) text.push_back(static_cast<char>(x >> 24));
  return text;
}

// A batch larger than an append may be lies apart from its position. Killed at each step, the position found afterwards says what is there.
TEST(RecordSink, a_batch_too_large_for_one_append_is_neither_lost_nor_repeated_wherever_it_is_cut) {
  for (int appends = 0; appends <= 3; ++appends) {
    EndsAfter log(world::real_clock());
    char dir[] = "/tmp/tidemill-sink-XXXXXX";
    std::string folder = ::mkdtemp(dir);
    auto catalog = std::move(*catalog::Catalog::open(log, world::real_disk(), world::real_clock(), world::real_random(), folder));
    ASSERT_TRUE(catalog->change_and_wait({catalog::CreateTopic{.tenant = default_tenant, .name = "t"}}));
    Interrupt interrupt;
    RecordSinkOptions options;
    options.positions = StreamId(900);
    auto stream = catalog->find_topic(default_tenant, "t")->stream(0);
    {
      RecordSink sink(log, *catalog, world::real_clock(), interrupt, options);
      auto topic = sink.topic("t");
      ASSERT_TRUE(sink.commit("{\"at\":0}", 0));
      sink.add(**topic, 0, "k", "small");
      ASSERT_TRUE(sink.commit("{\"at\":1}", 1));
      ASSERT_TRUE(sink.drain());
      log.left = appends;
      sink.add(**topic, 0, "k", noise(log.append_bytes_max() + 1000));
      EXPECT_EQ(sink.commit("{\"at\":2}", 2).has_value() && sink.drain().has_value(), appends == 3);
    }
    bool there = values(log, stream).size() == 2;
    EXPECT_EQ(there, appends >= 2);
    auto found = last_position_text(log, options.positions);
    ASSERT_TRUE(found) << found.error().text();
    EXPECT_EQ(**found, there ? "{\"at\":2}" : "{\"at\":1}") << appends;
    catalog.reset();
    EXPECT_EQ(std::system(("rm -rf " + folder).c_str()), 0);
  }
}

TEST(RecordSink, a_topic_deleted_meanwhile_is_made_anew) {
  Fixture f(0);
  RecordSinkOptions options;
  options.positions = StreamId(900);
  RecordSink sink(f.log, *f.catalog, world::real_clock(), f.interrupt, options);
  auto topic = sink.topic("t");
  ASSERT_TRUE(f.catalog->change_and_wait({catalog::DeleteTopic{default_tenant, "t"}}));
  sink.add(**topic, 0, std::nullopt, "v");
  ASSERT_TRUE(sink.commit("p", 1));
  ASSERT_TRUE(sink.drain());
  EXPECT_EQ(values(f.log, f.catalog->find_topic(default_tenant, "t")->stream(0)), std::vector<std::string>{"v"});
}

// Calls `before` in front of the next append of records.
class Interrupted : public log::MemoryLog {
 public:
  using MemoryLog::MemoryLog;
  void append(log::Append append, log::AppendDone done) override {
    if (append.entries.size() > 1 && before) std::exchange(before, nullptr)();
    MemoryLog::append(std::move(append), std::move(done));
  }
  std::function<void()> before;
};

TEST(RecordSink, records_on_their_way_to_a_topic_that_is_deleted_go_to_the_one_made_anew) {
  Interrupted log(world::real_clock());
  char dir[] = "/tmp/tidemill-sink-XXXXXX";
  std::string folder = ::mkdtemp(dir);
  auto catalog = std::move(*catalog::Catalog::open(log, world::real_disk(), world::real_clock(), world::real_random(), folder));
  Interrupt interrupt;
  RecordSinkOptions options;
  options.positions = StreamId(900);
  {
    RecordSink sink(log, *catalog, world::real_clock(), interrupt, options);
    auto topic = sink.topic("t");
    ASSERT_TRUE(sink.commit("0", 0));
    log.before = [&] { ASSERT_TRUE(catalog->change_and_wait({catalog::DeleteTopic{default_tenant, "t"}})); };
    for (auto* value : {"1", "2", "3"}) {
      sink.add(**topic, 0, "k", value);
      ASSERT_TRUE(sink.commit(value, 1));
    }
    ASSERT_TRUE(sink.drain());
  }
  EXPECT_EQ(values(log, catalog->find_topic(default_tenant, "t")->stream(0)), (std::vector<std::string>{"1", "2", "3"}));
  EXPECT_EQ(values(log, StreamId(900)), (std::vector<std::string>{"0", "1", "2", "3"}));
  catalog.reset();
  EXPECT_EQ(std::system(("rm -rf " + folder).c_str()), 0);
}

TEST(RecordSink, old_positions_are_given_up_and_the_newest_is_there) {
  Fixture f(7);
  RecordSinkOptions options;
  options.positions = StreamId(900);
  options.positions_trim_every = 10;
  options.positions_kept = 3;
  RecordSink sink(f.log, *f.catalog, world::real_clock(), f.interrupt, options);
  auto topic = sink.topic("t");
  std::int64_t start = 0;
  for (std::uint64_t i = 1; i <= 100; ++i) {
    sink.add(**topic, 0, "k", std::to_string(i));
    ASSERT_TRUE(sink.commit(fmt::format(R"({{"at":{}}})", i), i));
    ASSERT_TRUE(sink.drain());
    auto bounds = f.log.bounds(options.positions);
    EXPECT_LE(bounds.end - bounds.start, 14) << "grows for ever";
    EXPECT_GE(bounds.end - bounds.start, std::min<std::int64_t>(static_cast<std::int64_t>(i), 3));
    EXPECT_GE(bounds.start.value, start);
    start = bounds.start.value;
    auto found = last_position_text(f.log, options.positions);
    ASSERT_TRUE(found) << found.error().text();
    EXPECT_EQ(**found, fmt::format(R"({{"at":{}}})", i));
  }
  EXPECT_GT(start, 80);
}

TEST(RecordSink, murmur2_chooses_the_partitions_that_kafka_s_clients_choose) {
  EXPECT_EQ(static_cast<std::int32_t>(murmur2("21")), -973932308);
  EXPECT_EQ(static_cast<std::int32_t>(murmur2("foobar")), -790332482);
  EXPECT_EQ(static_cast<std::int32_t>(murmur2("a-little-bit-long-string")), -985981536);
  EXPECT_EQ(static_cast<std::int32_t>(murmur2("abc")), 479470107);
}

}  // namespace tidemill::connect
