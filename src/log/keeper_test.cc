// What the Keeper does to a log that goes on: what is kept, what goes, and when.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "log/test_core_rig.h"

namespace tidemill::log {
namespace {

struct KeeperTest : testing::Test, CoreRig {
  std::map<std::uint64_t, Policy> policies;

  KeeperTest() {
    options.journal_file_bytes = 64 << 10;
    keeping.sort_bytes = 64 << 10;
    keeping.sort_after_ms = 1000;
    keeping.sweep_interval_ms = 1000;
    keeping.delete_after_ms = 60'000;
    keeping.merge_runs = 4;
  }
  void start() {
    auto opened = open();
    ASSERT_TRUE(opened) << opened.error().text();
    parts->keeper.set_policies([this](StreamId stream) { return policies[stream.value]; });
    parts->keeper.set_append([this](Append append) { parts->core->submit(std::move(append), [](Result<Appended>) {}); });
  }
  // A second at a time, so that everything that is due happens.
  void let_pass(std::int64_t ms) {
    for (auto until = clock.ns + ms * 1'000'000; clock.ns < until; clock.pass_ms(500)) settle();
    settle();
  }
  void settle() {
    while (parts->background_step() || parts->core->pump()) {}
  }
  std::int64_t now() { return clock.now_ms(); }
  void fill(std::uint64_t stream, int batches, std::int64_t time, std::size_t size = 1000) {
    for (int i = 0; i < batches; ++i) {
      ASSERT_TRUE(put(stream, batch_of(1, std::string(size, 'v'), time)));
      settle();
    }
  }
  // Seals the open file, whatever it holds.
  void roll() {
    auto sealed = parts->core->counters().files_sealed.load();
    while (parts->core->counters().files_sealed == sealed) fill(999, 1, now(), 8000);
  }
  Bounds bounds(std::uint64_t stream) { return view().bounds(StreamId{stream}); }
  std::size_t segments_with(std::uint64_t stream) {
    std::size_t count = 0;
    for (auto& run : view().tiers()->runs)
      for (auto& segment : run.segments) count += parts->segments.contains(segment, StreamId{stream}).value();
    return count;
  }
};

TEST_F(KeeperTest, records_older_than_retention_ms_are_trimmed_wherever_they_are) {
  policies[1].retention_ms = 10'000;
  start();
  fill(1, 5, now());
  roll();
  let_pass(4000);
  ASSERT_EQ(segments_with(1), 1u) << "sorted";
  fill(1, 3, now());
  EXPECT_EQ(bounds(1).start, Offset{0});
  let_pass(8000);
  EXPECT_EQ(bounds(1).start, Offset{5}) << "the first five are too old, three are not";
  EXPECT_EQ(view().read(StreamId{1}, Offset{4}, 1).error().code, Code::out_of_range);
  EXPECT_EQ(view().read(StreamId{1}, Offset{5}, 1).value().front().base, Offset{5});
  let_pass(8000);
  EXPECT_EQ(bounds(1).start, Offset{8}) << "those in the open file are too old as well";
  ASSERT_TRUE(reopen());
  EXPECT_EQ(bounds(1).start, Offset{8});
  EXPECT_EQ(bounds(1).end, Offset{8});
}

TEST_F(KeeperTest, an_old_batch_behind_a_young_one_stays) {
  policies[1].retention_ms = 10'000;
  start();
  fill(1, 1, now());
  fill(1, 1, now() - 1'000'000);
  let_pass(3000);
  EXPECT_EQ(bounds(1).start, Offset{0});
}

TEST_F(KeeperTest, at_least_retention_bytes_stay) {
  policies[1].retention_bytes = 20'000;
  start();
  fill(1, 40, now());
  roll();
  let_pass(4000);
  fill(1, 10, now());
  let_pass(3000);
  auto kept = bounds(1).end - bounds(1).start;
  EXPECT_GE(kept, 18);  // a batch is a little over 1000 bytes
  EXPECT_LE(kept, 18 + 16) << "a piece of the index is 16 KiB";
}

TEST_F(KeeperTest, what_is_deleted_loses_its_bytes_within_the_time_that_was_set) {
  start();
  fill(1, 20, now());
  fill(2, 60, now());
  roll();
  let_pass(4000);
  ASSERT_GT(segments_with(1), 0u);
  auto before = disk.used_bytes();
  Append forget;
  forget.marks = {{Mark::Kind::forget, StreamId{1}, Offset{0}}};
  ASSERT_TRUE(put(forget));
  EXPECT_EQ(view().read(StreamId{1}, Offset{0}, 1).error().code, Code::not_found);
  EXPECT_EQ(put(1, batch_of(1, "x")).error().code, Code::not_found);
  let_pass(5000);
  EXPECT_GT(segments_with(1), 0u) << "a small part of a segment may wait";
  let_pass(70'000);
  EXPECT_EQ(segments_with(1), 0u);
  EXPECT_LT(disk.used_bytes(), before);
  EXPECT_EQ(view().read(StreamId{2}, Offset{0}, 1).value().front().base, Offset{0}) << "its neighbours stay";
}

TEST_F(KeeperTest, a_segment_of_which_nothing_is_wanted_goes_at_once) {
  policies[1].retention_ms = 10'000;
  start();
  fill(1, 30, now());
  roll();
  let_pass(4000);
  ASSERT_GT(segments_with(1), 0u);
  let_pass(12'000);
  EXPECT_EQ(segments_with(1), 0u);
}

TEST_F(KeeperTest, nothing_goes_because_the_clock_jumped_ahead_until_it_has_stayed_there) {
  struct Jumping : world::Clock {
    RigClock& clock;
    std::int64_t ahead_ms = 0;
    explicit Jumping(RigClock& c) : clock(c) {}
    std::int64_t now_ms() override { return clock.now_ms() + ahead_ms; }
    std::int64_t monotonic_ns() override { return clock.monotonic_ns(); }
  } jumping(clock);
  policies[1].retention_ms = 60'000;
  parts.reset();
  auto opened = Engine::open(disk, jumping, options, keeping, 0);
  ASSERT_TRUE(opened);
  parts = std::move(*opened);
  parts->keeper.set_policies([this](StreamId stream) { return policies[stream.value]; });
  parts->keeper.set_append([this](Append append) { parts->core->submit(std::move(append), [](Result<Appended>) {}); });
  settle();
  fill(1, 3, jumping.now_ms());
  let_pass(2000);
  jumping.ahead_ms = 10ll * 365 * 86'400'000;
  let_pass(30'000);
  EXPECT_EQ(bounds(1).start, Offset{0});
  jumping.ahead_ms = -3'600'000;
  let_pass(2000);
  EXPECT_EQ(bounds(1).start, Offset{0});
  jumping.ahead_ms = 0;
  let_pass(40'000);
  EXPECT_EQ(bounds(1).start, Offset{3}) << "their time has come";
}

TEST_F(KeeperTest, a_compacted_stream_keeps_the_last_record_of_each_key) {
  policies[1].compact = true;
  start();
  std::map<std::string, std::string> expected;
  for (int i = 0; i < 200; ++i) {
    auto key = "k" + std::to_string(i % 7);
    expected[key] = std::to_string(i);
    record::BatchBuilder builder;
    builder.add(now(), key, expected[key] + std::string(500, '.'));
    ASSERT_TRUE(put(1, builder.finish()));
    settle();
  }
  roll();
  let_pass(5000);
  EXPECT_GT(parts->keeper.counters().records_compacted, 100u);
  std::map<std::string, std::string> found;
  std::size_t records = 0;
  for (auto at = bounds(1).start; at < bounds(1).end;) {
    auto read = view().read(StreamId{1}, at, 100'000);
    ASSERT_TRUE(read) << read.error().text();
    for (auto& stored : *read) {
      auto batch = record::BatchRecords::open(stored.bytes, stored.base);
      record::RecordView r;
      while (*batch->next(r)) {
        found[std::string(*r.key)] = std::string(r.value->substr(0, r.value->find('.')));
        ++records;
      }
      at = stored.base + batch->header().last_offset_delta + 1;
    }
  }
  EXPECT_EQ(found, expected);
  EXPECT_LT(records, 60u);
}

TEST_F(KeeperTest, bytes_go_though_the_file_that_holds_them_is_never_full) {
  options.journal_file_bytes = 1 << 20;
  options.roll_after_ms = 5000;
  policies[1].retention_ms = 10'000;
  start();
  fill(1, 3, now());
  let_pass(8000);
  ASSERT_EQ(segments_with(1), 1u) << "the file was old enough to be sorted";
  let_pass(12'000);
  EXPECT_EQ(bounds(1).start, Offset{3});
  EXPECT_EQ(segments_with(1), 0u);
}

TEST_F(KeeperTest, a_file_that_is_covered_and_not_sorted_survives_the_loss_of_its_seal) {
  keeping.sort_bytes = 100 << 10;
  keeping.sort_after_ms = 1'000'000;
  options.journal_file_bytes = 128 << 10;
  start();
  while (parts->core->counters().files_sealed < 3) {  // and nothing is sorted meanwhile
    parts->core->submit(one(StreamId{1}, batch_of(1, std::string(1000, 'v'))), [](Result<Appended>) {});
    while (parts->core->pump() || parts->maker.step()) {}
  }
  settle();
  auto tiers = view().tiers();
  ASSERT_FALSE(tiers->runs.empty());
  ASSERT_FALSE(tiers->sealed.empty()) << "one is left over";
  auto left = tiers->sealed.back();
  auto end = bounds(1).end;
  for (auto position : {left.table(PageKind::batches).position + 40, disk.content(file(left.number)).size() - block_bytes + 20}) {
    parts.reset();
    tiers.reset();
    disk.kill();
    disk.flip(file(left.number), position, std::byte{1});
    start();
    EXPECT_TRUE(report().corruption.empty());
    EXPECT_EQ(bounds(1).end, end);
    for (Offset at{0}; at < end; at += 1) ASSERT_EQ(view().read(StreamId{1}, at, 1).value().front().base, at);
    settle();
    disk.flip(file(left.number), position, std::byte{1});
  }
}

TEST_F(KeeperTest, a_stream_whose_class_changes_stays_readable) {
  keeping.merge_runs = 2;
  policies[1].retention_ms = policies[3].retention_ms = 1ll << 40;
  policies[2].retention_ms = 1ll << 41;
  start();
  std::map<std::uint64_t, int> written;
  for (int round = 0; round < 12; ++round) {
    for (std::uint64_t stream : {1, 2, 3}) {
      fill(stream, 5, now());
      written[stream] += 5;
    }
    if (round == 3) policies[1].retention_ms = policies[3].retention_ms = 1ll << 41;  // 1 and 3 around 2, in segments of their own
    if (round == 7) policies[1].retention_ms = policies[3].retention_ms = 1ll << 40;
    if (round == 9) policies[2].retention_ms = -1;
    roll();
    let_pass(3000);
    for (auto& [stream, count] : written)
      for (Offset at{0}; at < Offset{count}; at += 1) {
        auto read = view().read(StreamId{stream}, at, 1);
        ASSERT_TRUE(read) << round << ": " << read.error().text();
        ASSERT_EQ(read->front().base, at);
      }
  }
  EXPECT_GT(parts->keeper.counters().segments_merged, 10u);
}

TEST_F(KeeperTest, segments_without_a_manifest_are_not_thrown_away) {
  start();
  fill(1, 40, now());
  roll();
  roll();
  let_pass(3000);
  ASSERT_FALSE(view().tiers()->runs.empty());
  parts.reset();
  disk.kill();
  auto segments = disk.list(segments_folder(options.dir)).value();
  ASSERT_TRUE(disk.remove(manifest_path(options.dir)));
  auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::corrupt);
  EXPECT_EQ(disk.list(segments_folder(options.dir)).value().size(), segments.size() - 1) << "only what the test removed is gone";
}

TEST_F(KeeperTest, a_stream_that_nobody_knows_is_kept) {
  start();
  fill(1, 5, 1);
  roll();
  let_pass(30'000);
  EXPECT_EQ(bounds(1).start, Offset{0});
  EXPECT_EQ(view().read(StreamId{1}, Offset{0}, 1).value().front().base, Offset{0});
}

}  // namespace
}  // namespace tidemill::log
