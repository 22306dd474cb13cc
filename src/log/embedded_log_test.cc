// The embedded log on the real disk: what is acknowledged is there after a restart, and readers see what was written.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <latch>

#include "log/embedded_log.h"
#include "log/test_batches.h"
#include "world/real.h"

namespace tidemill::log {
namespace {

struct EmbeddedLogTest : testing::Test {
  std::string dir;
  ManualClock unused;
  std::unique_ptr<EmbeddedLog> log;
  EmbeddedOptions options;

  EmbeddedLogTest() {
    char name[] = "/tmp/tm-log-XXXXXX";
    dir = mkdtemp(name);
    options.dir = dir;
    options.journal_file_bytes = 1u << 20;
  }
  ~EmbeddedLogTest() override {
    log.reset();
    std::filesystem::remove_all(dir);
  }
  void open() {
    log.reset();
    auto opened = EmbeddedLog::open(world::real_disk(), world::real_clock(), options);
    ASSERT_TRUE(opened) << opened.error().text();
    log = std::move(*opened);
  }
  void put(StreamId s, std::string_view value, int records = 1) {
    auto done = append_and_wait(*log, one(s, batch_of(records, value)));
    ASSERT_TRUE(done) << done.error().text();
  }
};

TEST_F(EmbeddedLogTest, what_was_acknowledged_is_read_back_after_a_restart) {
  open();
  for (int i = 0; i < 50; ++i) put(StreamId{static_cast<std::uint64_t>(i % 7)}, "value " + std::to_string(i), 2);
  auto before = log->read(StreamId{3}, Offset{0}, 1 << 20);
  ASSERT_TRUE(before);
  open();
  EXPECT_FALSE(log->recovery().tail_dropped);
  EXPECT_TRUE(log->recovery().corruption.empty());
  EXPECT_EQ(log->bounds(StreamId{3}).end, Offset{14});
  auto after = log->read(StreamId{3}, Offset{0}, 1 << 20);
  ASSERT_TRUE(after) << after.error().text();
  ASSERT_EQ(after->size(), before->size());
  for (std::size_t i = 0; i < after->size(); ++i) {
    EXPECT_EQ((*after)[i].bytes.text(), (*before)[i].bytes.text());
    EXPECT_EQ((*after)[i].base, (*before)[i].base);
    EXPECT_EQ((*after)[i].jsn, (*before)[i].jsn);
  }
  EXPECT_EQ(log->incarnation(), Incarnation{2});
}

TEST_F(EmbeddedLogTest, sealed_files_are_read_by_stream_time_and_group) {
  open();
  std::string big(10'000, 'x');
  std::vector<Jsn> jsns;
  for (int i = 0; i < 600; ++i) {
    auto done = append_and_wait(*log, one(StreamId{static_cast<std::uint64_t>(i % 3)}, batch_of(1, big + std::to_string(i), 1000 + i)));
    ASSERT_TRUE(done) << done.error().text();
    jsns.push_back(done->jsn);
  }
  EXPECT_GE(log->counters().files_sealed, 4u);
  for (bool again : {false, true}) {
    if (again) open();
    for (std::uint64_t s = 0; s < 3; ++s) {
      Offset at{0};
      while (at < log->bounds(StreamId{s}).end) {
        auto read = log->read(StreamId{s}, at, 100'000);
        ASSERT_TRUE(read) << read.error().text();
        for (auto& batch : *read) {
          ASSERT_EQ(batch.base, at);
          ASSERT_EQ(batch.jsn, jsns[static_cast<std::size_t>(at.value) * 3 + s]);
          at += 1;
        }
      }
      EXPECT_EQ(at, Offset{200});
      for (auto wanted : {0, 5, 100, 199}) {
        auto found = log->find_by_time(StreamId{s}, 1000 + wanted * 3 + static_cast<int>(s));
        ASSERT_TRUE(found) << found.error().text();
        ASSERT_TRUE(*found);
        EXPECT_EQ((*found)->base, Offset{wanted});
      }
    }
    std::size_t entries = 0;
    Jsn next{1};
    while (next <= log->durable_jsn()) {
      auto groups = log->read_groups(next, 100'000);
      ASSERT_TRUE(groups) << groups.error().text();
      for (auto& group : *groups) {
        ASSERT_EQ(group.jsn, next);
        entries += group.entries.size();
        next += 1;
      }
    }
    EXPECT_EQ(entries, 600u);
  }
}

TEST_F(EmbeddedLogTest, a_second_log_on_the_same_directory_is_refused_by_name) {
  open();
  auto second = EmbeddedLog::open(world::real_disk(), world::real_clock(), options);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::busy);
  EXPECT_EQ(second.error().message, "another tidemill is running on \"" + dir + "\"");
}

TEST_F(EmbeddedLogTest, a_producer_resending_after_a_restart_is_recognised) {
  open();
  auto id = log->new_producer_id();
  auto sent = append_and_wait(*log, one(StreamId{1}, idempotent(3, id.value, 0, 0)));
  ASSERT_TRUE(sent);
  open();
  auto again = append_and_wait(*log, one(StreamId{1}, idempotent(3, id.value, 0, 0)));
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_TRUE(again->duplicate);
  EXPECT_EQ(again->base_offsets[0], sent->base_offsets[0]);
  EXPECT_EQ(append_and_wait(*log, one(StreamId{1}, idempotent(1, id.value, 0, 4))).error().code, Code::out_of_order);
  EXPECT_NE(log->new_producer_id(), id);
}

TEST_F(EmbeddedLogTest, a_batch_larger_than_a_journal_file_gets_a_file_of_its_size) {
  open();
  put(StreamId{1}, "small");
  put(StreamId{1}, std::string(3u << 20, 'b'));
  put(StreamId{1}, "small");
  EXPECT_EQ(append_and_wait(*log, one(StreamId{1}, batch_of(1, std::string(65u << 20, 'c')))).error().code, Code::too_large);
  open();
  auto read = log->read(StreamId{1}, Offset{1}, 1);
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_GT((*read)[0].bytes.size(), 3u << 20);
  EXPECT_EQ(log->bounds(StreamId{1}).end, Offset{3});
}

TEST_F(EmbeddedLogTest, on_write_appends_become_visible_without_anybody_syncing) {
  open();
  std::latch seen(1);
  auto watch = log->watch({StreamId{1}}, [&] { seen.count_down(); });
  ASSERT_TRUE(append_and_wait(*log, one(StreamId{1}, batch_of(1, "x"), Durability::on_write)));
  seen.wait();
  EXPECT_EQ(log->bounds(StreamId{1}).end, Offset{1});
}

TEST_F(EmbeddedLogTest, appends_of_many_threads_keep_their_order_and_are_answered_once) {
  open();
  std::vector<std::thread> threads;
  std::atomic<int> answered = 0;
  for (std::uint64_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 500; ++i)
        log->append(one(StreamId{t}, batch_of(1, std::to_string(i))), [&](Result<Appended> done) { answered += done.has_value(); });
    });
  for (auto& thread : threads) thread.join();
  log->stop();
  EXPECT_EQ(answered, 2000);
  EXPECT_EQ(append_and_wait(*log, one(StreamId{1}, batch_of(1, "late"))).error().code, Code::unavailable);
  open();
  for (std::uint64_t t = 0; t < 4; ++t) {
    auto read = log->read(StreamId{t}, Offset{0}, 1 << 20);
    ASSERT_TRUE(read);
    ASSERT_EQ(read->size(), 500u);
    for (int i = 0; i < 500; ++i) {
      auto records = record::BatchRecords::open((*read)[static_cast<std::size_t>(i)].bytes, Offset{i});
      record::RecordView r;
      ASSERT_TRUE(*records->next(r));
      EXPECT_EQ(*r.value, std::to_string(i));
    }
  }
}

}  // namespace
}  // namespace tidemill::log
