// The promises of log.h that need no disk, tried on the in-memory log; and the idempotence rules both logs share.
#include <gtest/gtest.h>

#include <limits>

#include "log/memory_log.h"
#include "log/test_batches.h"

namespace tidemill::log {
namespace {

struct MemoryLogTest : testing::Test {
  ManualClock clock;
  MemoryLog log{clock};
  StreamId s{7}, t{8};
};

TEST_F(MemoryLogTest, offsets_count_records_and_reads_give_whole_batches) {
  ASSERT_EQ(append_and_wait(log, one(s, batch_of(3, "a")))->base_offsets[0], Offset{0});
  ASSERT_EQ(append_and_wait(log, one(s, batch_of(2, "b")))->base_offsets[0], Offset{3});
  auto read = log.read(s, Offset{1}, 1);
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), 1u);
  EXPECT_EQ((*read)[0].base, Offset{0});
  EXPECT_EQ(log.read(s, Offset{0}, 1 << 20)->size(), 2u);
  EXPECT_TRUE(log.read(s, Offset{5}, 1)->empty());
  EXPECT_EQ(log.read(s, Offset{6}, 1).error().code, Code::out_of_range);
  EXPECT_EQ(log.bounds(s).end, Offset{5});
  EXPECT_EQ(log.bounds(t).end, Offset{0});
}

TEST_F(MemoryLogTest, an_atomic_append_is_one_group) {
  Append append;
  append.entries = {{default_tenant, s, batch_of(1, "x")}, {default_tenant, t, batch_of(2, "y")}};
  auto done = append_and_wait(log, std::move(append));
  ASSERT_TRUE(done);
  auto groups = log.read_groups(done->jsn, 1);
  ASSERT_EQ(groups->size(), 1u);
  EXPECT_EQ((*groups)[0].entries.size(), 2u);
  EXPECT_EQ(log.durable_jsn(), done->jsn);
}

TEST_F(MemoryLogTest, a_watch_hears_of_its_streams_only_and_not_after_it_is_gone) {
  std::atomic<int> calls = 0;
  auto watch = log.watch({s}, [&] { ++calls; });
  ASSERT_TRUE(append_and_wait(log, one(t, batch_of(1, "x"))));
  ASSERT_TRUE(append_and_wait(log, one(s, batch_of(1, "x"))));
  ASSERT_TRUE(append_and_wait(log, one(t, batch_of(1, "x"))));  // delivered after the announcement for s
  EXPECT_EQ(calls, 1);
  watch.reset();
  ASSERT_TRUE(append_and_wait(log, one(s, batch_of(1, "x"))));
  ASSERT_TRUE(append_and_wait(log, one(t, batch_of(1, "x"))));
  EXPECT_EQ(calls, 1);
}

TEST_F(MemoryLogTest, find_by_time_gives_the_first_batch_that_reaches_the_time) {
  ASSERT_TRUE(append_and_wait(log, one(s, batch_of(1, "a", 100))));
  ASSERT_TRUE(append_and_wait(log, one(s, batch_of(1, "b", 300))));
  ASSERT_TRUE(append_and_wait(log, one(s, batch_of(1, "c", 200))));
  EXPECT_EQ((*log.find_by_time(s, 150))->base, Offset{1});
  EXPECT_FALSE(log.find_by_time(s, 301)->has_value());
}

TEST_F(MemoryLogTest, a_batch_sent_twice_is_stored_once) {
  ASSERT_TRUE(append_and_wait(log, one(s, idempotent(2, 50, 0, 0))));
  auto again = append_and_wait(log, one(s, idempotent(2, 50, 0, 0)));
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->duplicate);
  EXPECT_EQ(again->base_offsets[0], Offset{0});
  EXPECT_EQ(log.bounds(s).end, Offset{2});
}

TEST_F(MemoryLogTest, what_is_not_a_whole_batch_is_refused) {
  auto cut = batch_of(1, "abc");
  EXPECT_FALSE(append_and_wait(log, one(s, cut.part(0, cut.size() - 1))));
  EXPECT_EQ(append_and_wait(log, Append{}).error().code, Code::invalid);
}

struct ProducersTest : testing::Test {
  Producers producers;
  Offset next{0};
  Result<Producers::Verdict> send(std::int16_t epoch, std::int32_t sequence, std::int32_t records = 1) {
    record::BatchHeader header;
    header.producer_id = 9;
    header.producer_epoch = epoch;
    header.base_sequence = sequence;
    header.records_count = records;
    header.last_offset_delta = records - 1;
    Producers::Item item{StreamId{1}, header, next};
    auto verdict = producers.check(std::span(&item, 1), 0);
    if (verdict && !verdict->duplicate) {
      producers.commit(verdict->staged, 0);
      next += records;
    }
    return verdict;
  }
};

TEST_F(ProducersTest, a_gap_is_out_of_order) {
  ASSERT_TRUE(send(0, 0));
  EXPECT_EQ(send(0, 2).error().code, Code::out_of_order);
  EXPECT_TRUE(send(0, 1));
}

TEST_F(ProducersTest, five_batches_are_remembered_and_the_sixth_back_is_not) {
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(send(0, i));
  EXPECT_TRUE(send(0, 1)->duplicate);
  EXPECT_EQ(send(0, 1)->originals[0], Offset{1});
  EXPECT_EQ(send(0, 0).error().code, Code::out_of_order);
}

TEST_F(ProducersTest, an_older_epoch_is_fenced_and_a_newer_one_starts_at_zero) {
  ASSERT_TRUE(send(3, 0));
  EXPECT_EQ(send(2, 1).error().code, Code::fenced);
  EXPECT_EQ(send(4, 1).error().code, Code::out_of_order);
  EXPECT_TRUE(send(4, 0));
}

TEST_F(ProducersTest, an_unknown_producer_may_start_anywhere) { EXPECT_TRUE(send(0, 77)); }

TEST_F(ProducersTest, sequences_wrap_after_the_largest_int) {
  auto max = std::numeric_limits<std::int32_t>::max();
  ASSERT_TRUE(send(0, max - 1, 4));  // max-1, max, 0, 1
  EXPECT_TRUE(send(0, max - 1, 4)->duplicate);
  EXPECT_EQ(send(0, 1).error().code, Code::out_of_order);
  EXPECT_TRUE(send(0, 2));
}

TEST_F(ProducersTest, an_append_that_is_half_duplicate_is_refused) {
  ASSERT_TRUE(send(0, 0));
  record::BatchHeader seen, fresh;
  seen.producer_id = fresh.producer_id = 9;
  seen.producer_epoch = fresh.producer_epoch = 0;
  seen.base_sequence = fresh.base_sequence = 0;
  seen.records_count = fresh.records_count = 1;
  Producers::Item items[] = {{StreamId{1}, seen, Offset{1}}, {StreamId{2}, fresh, Offset{0}}};
  EXPECT_EQ(producers.check(items, 0).error().code, Code::out_of_order);
  EXPECT_EQ(producers.size(), 1u);
}

}  // namespace
}  // namespace tidemill::log
