// Damage and shortage, one at a time, on the simulated disk: what one bad bit, one short file or one full disk may cost, and what not.
#include <gtest/gtest.h>

#include <ctime>
#include <limits>
#include <map>
#include <random>

#include "log/engine.h"
#include "log/test_batches.h"
#include "world/simulated_disk.h"

namespace tidemill::log {
namespace {

struct SteppedClock : world::Clock {
  std::int64_t ns = 1'000'000'000;
  std::int64_t now_ms() override { return 1'700'000'000'000 + ns / 1'000'000; }
  std::int64_t monotonic_ns() override { return ns; }
};

struct DamageTest : testing::Test {
  world::SimulatedDisk disk{1};
  SteppedClock clock;
  CoreOptions options;
  std::unique_ptr<Engine> engine;
  bool make_spares = true;

  DamageTest() {
    options.dir = "data";
    options.journal_file_bytes = 1u << 20;
  }

  Result<void> try_open() {
    close();
    TRY_ASSIGN(opened, Engine::open(disk, clock, options, {}, 0));
    engine = std::move(opened);
    settle();
    return {};
  }
  void open() {
    auto opened = try_open();
    ASSERT_TRUE(opened) << opened.error().text();
  }
  void close() {
    engine.reset();
    disk.kill();
  }
  void settle() {
    do {
      while (make_spares && engine->background_step()) {}
    } while (engine->core->pump());
  }
  Result<Appended> send(Append append) {
    std::optional<Result<Appended>> answer;
    engine->core->submit(std::move(append), [&](Result<Appended> a) { answer = std::move(a); });
    for (int i = 0; i < 1000 && !answer; ++i) settle();
    if (!answer) return fail(Code::internal, "no answer");
    return *answer;
  }
  Result<Appended> send(std::uint64_t stream, std::string_view value) { return send(one(StreamId{stream}, batch_of(1, value))); }
  void put(std::uint64_t stream, std::string_view value) {
    auto done = send(stream, value);
    ASSERT_TRUE(done) << done.error().text();
  }
  std::string path(std::uint64_t number) const { return journal_path(options.dir, number); }
  Offset end(std::uint64_t stream) const { return engine->view.bounds(StreamId{stream}).end; }
  std::string value_at(std::uint64_t stream, std::int64_t offset) const {
    auto read = engine->view.read(StreamId{stream}, Offset{offset}, 1);
    if (!read) return "error: " + read.error().message;
    if (read->empty()) return "nothing";
    auto records = record::BatchRecords::open(read->front().bytes, read->front().base);
    record::RecordView r;
    while (*records->next(r))
      if (r.offset == offset) return std::string(*r.value);
    return "not in its batch";
  }
  Footer footer_of(std::uint64_t number) {
    auto bytes = disk.content(path(number));
    auto footer = decode_footer(as_bytes(bytes).subspan(bytes.size() - block_bytes));
    EXPECT_TRUE(footer);
    return *footer;
  }
  void flip(std::uint64_t number, std::uint64_t position, std::uint8_t mask = 1) { disk.flip(path(number), position, std::byte{mask}); }
};

// Groups 1 (start), 2, 3, ... lie on blocks 1, 2, 3, ...
TEST_F(DamageTest, a_flipped_base_offset_costs_its_own_group_only) {
  open();
  for (int i = 0; i < 10; ++i) put(1, "v" + std::to_string(i));
  close();
  flip(1, 4 * block_bytes + group_header_bytes + 9);  // group 4, offset 2: base becomes 258
  open();
  EXPECT_EQ(engine->core->recovery().corruption.size(), 1u);
  for (int i = 3; i < 10; ++i) EXPECT_EQ(value_at(1, i), "v" + std::to_string(i));
  EXPECT_EQ(end(1), Offset{10});
}

TEST_F(DamageTest, damage_across_the_end_of_a_file_and_its_seal_costs_nothing_in_the_next_file) {
  options.journal_file_bytes = 32 * block_bytes;
  open();
  int sent = 0;
  while (engine->core->counters().files_sealed == 0) put(1, "v" + std::to_string(sent++));
  close();
  auto seal = footer_of(1);
  flip(1, seal.data_end - block_bytes);      // magic of the last group of file 1
  flip(1, seal.data_end + 100);              // the first page behind it
  open();
  EXPECT_EQ(value_at(1, sent - 1), "v" + std::to_string(sent - 1)) << "the group in file 2";
  EXPECT_GE(end(1), Offset{sent});
}

TEST_F(DamageTest, an_open_file_that_was_cut_short_is_reported_and_does_not_stop_the_start) {
  open();
  for (int i = 0; i < 10; ++i) put(1, "v" + std::to_string(i));
  close();
  {
    auto file = disk.open(path(1), world::Open::write);
    ASSERT_TRUE((*file)->truncate(6 * block_bytes));
    ASSERT_TRUE((*file)->sync_data());
  }
  open();
  EXPECT_FALSE(engine->core->recovery().corruption.empty()) << "acknowledged groups went with the end of the file";
  for (int i = 0; i < 4; ++i) EXPECT_EQ(value_at(1, i), "v" + std::to_string(i));
  put(1, "after");
}

TEST_F(DamageTest, a_disk_that_takes_seconds_to_prepare_a_file_still_gets_out_of_full) {
  options.journal_file_bytes = 16u << 20;
  make_spares = false;
  open();
  disk.limit_space(disk.used_bytes() + (1u << 20));
  while (engine->maker.step()) {}
  settle();
  disk.limit_space(0);
  bool ready = false;
  for (int i = 0; i < 300 && !ready; ++i) {  // 30 seconds, a MiB every 100 ms
    clock.ns += 100'000'000;
    engine->core->pump();
    engine->maker.step();
    ready = disk.exists(path(2)).value_or(false) && engine->core->next_wakeup_ns() == std::nullopt;
  }
  EXPECT_TRUE(ready) << "the spare is begun anew every second and never taken";
}

TEST_F(DamageTest, a_batch_too_large_for_the_disk_does_not_cost_the_spare_that_was_there) {
  open();
  disk.limit_space(disk.used_bytes() + 4 * block_bytes);
  auto big = send(1, std::string(2u << 20, 'b'));
  ASSERT_FALSE(big);
  EXPECT_EQ(big.error().code, Code::full);
  std::string value(50'000, 'x');
  for (int i = 0; i < 25; ++i) {  // more than what is left in the first file, less than both
    auto done = send(1, value);
    ASSERT_TRUE(done) << i << ": " << done.error().text();
  }
}

TEST_F(DamageTest, a_file_is_prepared_with_syncs_in_between) {
  options.journal_file_bytes = 64u << 20;
  make_spares = false;
  open();
  auto before = disk.syncs();
  while (engine->maker.step()) {}
  EXPECT_GE(disk.syncs() - before, 8u) << "one sync of 64 MiB makes every commit beside it wait";
}

struct SealedDamageTest : DamageTest {
  int sent = 0;
  void fill(std::uint64_t files) {
    options.journal_file_bytes = 32 * block_bytes;
    open();
    while (engine->core->counters().files_sealed < files) {
      put(static_cast<std::uint64_t>(sent % 3), "v" + std::to_string(sent));
      ++sent;
    }
    close();
  }
  void expect_all() {
    for (int i = 0; i < sent; ++i) EXPECT_EQ(value_at(static_cast<std::uint64_t>(i % 3), i / 3), "v" + std::to_string(i));
  }
};

TEST_F(SealedDamageTest, a_flipped_bit_in_any_table_of_an_older_seal_costs_no_record) {
  fill(5);
  for (std::uint64_t number = 1; number <= 5; ++number)
    for (auto& table : footer_of(number).tables) {
      if (table.rows == 0) continue;
      flip(number, table.position + 40);
      open();
      expect_all();
      EXPECT_TRUE(engine->view.read_groups(Jsn{1}, 1 << 30));
      close();
      flip(number, table.position + 40);
    }
}

TEST_F(SealedDamageTest, two_damaged_seals_do_not_stop_the_start) {
  fill(5);
  flip(2, footer_of(1).tables[2].position, 0);  // nothing, only that the position is there
  flip(1, footer_of(1).tables[2].position + 40);
  flip(2, disk.content(path(2)).size() - block_bytes + 20);
  open();
  expect_all();
}

TEST_F(DamageTest, restarts_on_a_full_disk_do_not_use_up_what_keeps_it_starting) {
  options.journal_file_bytes = 32 * block_bytes;
  make_spares = false;
  open();
  disk.limit_space(disk.used_bytes());
  make_spares = true;
  while (send(1, "x")) {}
  for (int i = 0; i < 40; ++i) {
    auto opened = try_open();
    ASSERT_TRUE(opened) << "start " << i << ": " << opened.error().text();
  }
}

TEST_F(DamageTest, a_tail_that_was_dropped_once_is_not_reported_at_every_later_start) {
  open();
  put(1, "a");
  disk.stop_at_change(1);
  auto append = one(StreamId{1}, batch_of(1, std::string(100'000, 't')));
  engine->core->submit(std::move(append), [](Result<Appended>) {});
  engine->core->pump();
  engine.reset();
  disk.kill();
  open();
  auto first = engine->core->recovery().tail_dropped;
  open();
  if (first) EXPECT_FALSE(engine->core->recovery().tail_dropped);
}

TEST_F(DamageTest, an_incarnation_is_not_used_again_when_its_start_mark_is_damaged) {
  open();
  put(1, "a");
  open();
  auto used = engine->core->incarnation();
  clock.ns += 20'000'000;
  settle();
  close();
  flip(1, 3 * block_bytes + 30);
  open();
  EXPECT_GT(engine->core->incarnation(), used) << "producer ids come from it";
}

// Sixteen times the streams, in processor time: sixteen times as long when it is in proportion (a few times more as caches run over), and
// 256 times when each looks at every other.
TEST_F(DamageTest, an_append_to_many_streams_takes_time_in_proportion) {
  options.journal_file_bytes = 32u << 20;
  open();
  std::int64_t producer = 100;
  auto best_ticks = [&](std::uint64_t streams) {
    auto best = std::numeric_limits<std::clock_t>::max();
    for (int run = 0; run < 3; ++run) {
      Append append;
      for (std::uint64_t i = 0; i < streams; ++i) append.entries.push_back({default_tenant, StreamId{i}, idempotent(1, producer, 0, 0)});
      ++producer;
      auto begun = std::clock();
      auto done = send(std::move(append));
      best = std::min(best, std::clock() - begun);
      EXPECT_TRUE(done) << done.error().text();
    }
    return best;
  };
  auto few = best_ticks(2'000), many = best_ticks(32'000);
  EXPECT_LT(many, few * 128) << few << " and " << many;
}

TEST_F(DamageTest, a_clock_that_jumps_ahead_does_not_make_a_resent_batch_a_new_one) {
  options.journal_file_bytes = 32 * block_bytes;
  open();
  ASSERT_TRUE(send(one(StreamId{1}, idempotent(1, 9, 0, 0))));
  clock.ns += 26ll * 3600 * 1'000'000'000;
  while (engine->core->counters().files_sealed == 0) put(2, "x");
  auto again = send(one(StreamId{1}, idempotent(1, 9, 0, 0)));
  ASSERT_TRUE(again) << again.error().text();
  EXPECT_TRUE(again->duplicate);
}

// A reader that took its footer just before another one found the seal bad and made it again.
TEST_F(SealedDamageTest, a_footer_from_before_its_seal_was_made_again_is_refused_and_not_misread) {
  fill(2);
  auto before = footer_of(1);
  flip(1, before.data_end - block_bytes + 70);  // a group as well, so that the new seal is shorter
  flip(1, before.tables[0].position + 40);
  open();
  EXPECT_EQ(value_at(0, 0), "v0");
  ASSERT_TRUE(engine->sealed.is_rebuilt(1));
  for (std::uint64_t row = 0; row < before.tables[0].rows; ++row) EXPECT_EQ(engine->sealed.row<BatchRow>(before, row).error().code, Code::corrupt);
  EXPECT_TRUE(engine->sealed.row<BatchRow>(engine->sealed.current(before), 0));
}

TEST_F(DamageTest, a_stream_that_only_a_damaged_group_knows_keeps_its_offsets_and_a_flipped_id_makes_none) {
  open();
  put(1, "a");
  put(2, "only one");
  clock.ns += 20'000'000;
  settle();
  close();
  auto at = disk.content(path(1)).find("only one");
  flip(1, at);
  open();
  EXPECT_EQ(end(2), Offset{1});
  close();
  flip(1, at);
  flip(1, 2 * block_bytes + group_header_bytes + 1);  // the id of stream 1, whose record is the first of its group
  open();
  EXPECT_EQ(end(2), Offset{1});
  EXPECT_EQ(engine->core->recovery().corruption.size(), 1u);
}

TEST_F(DamageTest, a_full_disk_is_told_while_it_lasts_and_not_longer) {
  open();
  EXPECT_FALSE(engine->core->refusing());
  disk.limit_space(disk.used_bytes());
  while (send(1, std::string(10'000, 'x'))) {}
  ASSERT_TRUE(engine->core->refusing());
  EXPECT_EQ(engine->core->refusing()->code, Code::full);
  EXPECT_FALSE(engine->core->refusing()->hint.empty());
  disk.limit_space(0);
  clock.ns += 1'100'000'000;
  settle();  // asks for a file
  settle();  // takes it
  EXPECT_FALSE(engine->core->refusing());
  put(1, "again");
}

TEST_F(DamageTest, a_start_without_room_for_its_mark_reads_refuses_and_writes_once_there_is_room) {
  options.journal_file_bytes = 32 * block_bytes;
  open();
  put(1, "kept");
  disk.limit_space(disk.used_bytes());
  while (send(1, "x")) {}
  for (int i = 0; i < 40; ++i) open();
  ASSERT_FALSE(engine->core->run_started());
  auto control = one(StreamId{2}, batch_of(1, "control"));
  control.purpose = Purpose::control;
  EXPECT_EQ(send(std::move(control)).error().code, Code::full) << "nothing may come before the mark of the start";
  EXPECT_TRUE(engine->core->refusing());
  EXPECT_EQ(value_at(1, 0), "kept");
  auto incarnation = engine->core->incarnation();
  disk.limit_space(0);
  clock.ns += 1'100'000'000;
  settle();  // asks for a file
  settle();  // takes it
  EXPECT_TRUE(engine->core->run_started());
  put(1, "goes on");
  open();
  EXPECT_GT(engine->core->incarnation(), incarnation);
  EXPECT_EQ(value_at(1, end(1).value - 1), "goes on");
}

TEST_F(DamageTest, an_open_file_that_was_cut_never_gives_a_number_of_a_lost_group_again) {
  open();
  for (int i = 0; i < 10; ++i) put(1, "v" + std::to_string(i));
  auto last = engine->view.durable_jsn();
  auto epoch = engine->view.bounds(StreamId{1}).leader_epoch;
  close();
  (void)(*disk.open(path(1), world::Open::write))->truncate(6 * block_bytes);
  for (int start = 0; start < 3; ++start) {
    open();
    EXPECT_EQ(engine->view.bounds(StreamId{1}).leader_epoch, epoch + 1 + start) << "start " << start;
    auto done = send(1, "after");
    ASSERT_TRUE(done);
    EXPECT_GT(done->jsn, last);
    last = done->jsn;
  }
}

TEST_F(DamageTest, producers_beyond_the_limit_are_forgotten_longest_silent_first) {
  options.journal_file_bytes = 32 * block_bytes;
  options.producers_min = 2;
  options.producers_max = 5;
  open();
  auto roll = [&] {
    for (auto sealed = engine->core->counters().read().files_sealed; engine->core->counters().files_sealed == sealed;) put(2, "x");
  };
  for (int p = 0; p < 8; ++p) {
    clock.ns += 1'000'000;
    ASSERT_TRUE(send(one(StreamId{1}, idempotent(1, p, 0, 0))));
  }
  roll();
  EXPECT_TRUE(send(one(StreamId{1}, idempotent(1, 7, 0, 0)))->duplicate);
  EXPECT_TRUE(send(one(StreamId{1}, idempotent(1, 3, 0, 0)))->duplicate);
  EXPECT_FALSE(send(one(StreamId{1}, idempotent(1, 2, 0, 0)))->duplicate);
  clock.ns += 25ll * 3600 * 1'000'000'000;
  roll();
  EXPECT_TRUE(send(one(StreamId{1}, idempotent(1, 2, 0, 0)))->duplicate) << "the newest ones are kept whatever their age";
  EXPECT_FALSE(send(one(StreamId{1}, idempotent(1, 4, 0, 0)))->duplicate);
}

}  // namespace
}  // namespace tidemill::log
