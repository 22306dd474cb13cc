// Damage, failing disks and full disks, one at a time.
#include <gtest/gtest.h>

#include "bytes/crc32c.h"
#include "bytes/cursor.h"
#include "log/test_core_rig.h"

namespace tidemill::log {
namespace {

constexpr std::byte bit{0x10};

struct JournalFault : testing::Test, CoreRig {
  void SetUp() override { ASSERT_TRUE(open()); }
  void write_some(int count, std::size_t size = 20) {
    for (int i = 0; i < count; ++i)
      ASSERT_TRUE(put(static_cast<std::uint64_t>(i % 2), batch_of(1, "value-" + std::to_string(i) + "." + std::string(size, 'v'), 1000 + i)));
  }
  bool readable(std::uint64_t stream, std::int64_t from) { return view().read(StreamId{stream}, Offset{from}, 1).has_value(); }
};

TEST_F(JournalFault, a_flipped_bit_hides_one_batch_and_no_other) {
  write_some(10);
  go_idle();
  auto at = position_of(1, "value-4.");
  disk.flip(file(1), at, bit);
  auto damaged = disk.content(file(1));
  for (bool again : {false, true}) {
    if (again) ASSERT_TRUE(reopen());
    EXPECT_EQ(view().read(StreamId{0}, Offset{2}, 1).error().code, Code::corrupt) << again;
    for (auto offset : {0, 1, 3, 4}) EXPECT_TRUE(readable(0, offset)) << offset;
    for (auto offset : {0, 1, 2, 3, 4}) EXPECT_TRUE(readable(1, offset)) << offset;
    EXPECT_EQ(view().bounds(StreamId{0}).end, Offset{5});
  }
  ASSERT_EQ(report().corruption.size(), 1u);
  EXPECT_FALSE(report().tail_dropped);
  EXPECT_EQ(disk.content(file(1)).substr(at - 100, 200), damaged.substr(at - 100, 200)) << "evidence was overwritten";
  EXPECT_EQ(view().read_groups(report().corruption[0].first, 1).error().code, Code::corrupt);
  EXPECT_TRUE(view().read_groups(report().corruption[0].end, 1));
}

TEST_F(JournalFault, damage_to_the_last_acknowledged_batch_is_not_taken_for_a_torn_tail) {
  write_some(4);
  go_idle();  // the mark that covers it
  disk.flip(file(1), position_of(1, "value-3."), bit);
  ASSERT_TRUE(reopen());
  ASSERT_EQ(report().corruption.size(), 1u);
  EXPECT_EQ(view().bounds(StreamId{1}).end, Offset{2}) << "its offset must stay taken";
  EXPECT_EQ(view().read(StreamId{1}, Offset{1}, 1).error().code, Code::corrupt);
  auto next = put(1, batch_of(1, "new"));
  ASSERT_TRUE(next);
  EXPECT_EQ(next->base_offsets[0], Offset{2});
}

TEST_F(JournalFault, a_torn_tail_is_dropped_and_the_leader_epoch_rises) {
  write_some(4);
  ASSERT_TRUE(put(5, batch_of(1, "unsynced"), Durability::on_write));
  disk.flip(file(1), position_of(1, "unsynced"), bit);
  parts.reset();
  disk.kill();
  auto epoch = 0;
  ASSERT_TRUE(open());
  EXPECT_TRUE(report().tail_dropped);
  EXPECT_TRUE(report().corruption.empty());
  EXPECT_GT(view().bounds(StreamId{0}).leader_epoch, epoch);
  EXPECT_EQ(view().bounds(StreamId{5}).end, Offset{0});
  EXPECT_TRUE(readable(1, 1));
}

TEST_F(JournalFault, a_start_on_an_undamaged_journal_keeps_the_leader_epoch) {
  write_some(4);
  ASSERT_TRUE(reopen());
  EXPECT_FALSE(report().tail_dropped);
  EXPECT_EQ(view().bounds(StreamId{0}).leader_epoch, 0);
}

TEST_F(JournalFault, a_bad_page_of_a_seal_is_made_again_from_the_data) {
  write_some(60, 1000);
  ASSERT_GT(parts->core->counters().files_sealed, 1u);
  auto content = disk.content(file(1));
  for (auto again : {false, true}) {
    auto footer = decode_footer(as_bytes(content).subspan(content.size() - block_bytes));
    ASSERT_TRUE(footer);
    for (auto& table : footer->tables)
      if (table.rows > 0) disk.flip(file(1), table.position + 30, bit);
    if (again) ASSERT_TRUE(reopen());
    for (int i = 0; i < 30; ++i) EXPECT_TRUE(readable(0, i)) << i;
    EXPECT_TRUE(view().find_by_time(StreamId{1}, 1001)->has_value());
    EXPECT_TRUE(view().read_groups(Jsn{2}, 1));
    if (!again) ASSERT_TRUE(reopen());
  }
}

TEST_F(JournalFault, a_bad_footer_or_header_costs_nothing) {
  write_some(60, 1000);
  ASSERT_GT(parts->core->counters().files_sealed, 1u);
  for (std::uint64_t number : {1, 2}) {
    disk.flip(file(number), disk.content(file(number)).size() - block_bytes + 20, bit);
    disk.flip(file(number), 20, bit);
    ASSERT_TRUE(reopen());
    EXPECT_GE(report().seals_rebuilt, number);
    for (int i = 0; i < 30; ++i) {
      EXPECT_TRUE(readable(0, i)) << i;
      EXPECT_TRUE(readable(1, i)) << i;
    }
  }
}

TEST_F(JournalFault, a_missing_file_hides_its_records_and_no_others) {
  write_some(60, 1000);
  ASSERT_GT(parts->core->counters().files_sealed, 2u);
  parts->core->stop();
  parts.reset();
  ASSERT_TRUE(disk.remove(file(2)));
  disk.kill();
  ASSERT_TRUE(open());
  ASSERT_FALSE(report().corruption.empty());
  int lost = 0;
  for (int i = 0; i < 30; ++i) lost += !readable(0, i);
  EXPECT_GT(lost, 3);
  EXPECT_LT(lost, 20);
  EXPECT_EQ(view().bounds(StreamId{0}).end, Offset{30});
  ASSERT_TRUE(put(0, batch_of(1, "goes on")));
}

TEST_F(JournalFault, a_directory_of_a_newer_version_is_refused) {
  auto version_at = 12u;
  auto header = disk.content(file(1)).substr(0, block_bytes);
  header[version_at] = 9;
  ByteWriter patched;
  patched.text(header);
  patched.patch_le(8, crc32c(as_bytes(patched.view().substr(12))));
  parts.reset();
  disk.kill();
  auto opened = disk.open(file(1), world::Open::write);
  ASSERT_TRUE((*opened)->write_at(0, as_bytes(patched.view())));
  auto refused = open();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::unsupported);
  EXPECT_NE(refused.error().text().find("newer tidemill"), std::string::npos);
}

TEST_F(JournalFault, after_any_failed_sync_or_write_nothing_is_acknowledged_and_nothing_acknowledged_is_lost) {
  for (std::uint64_t n = 1; n <= 40; ++n) {
    CoreRig rig;
    ASSERT_TRUE(rig.open());
    if (n % 2) rig.disk.fail_sync(n / 2 + 1);
    else rig.disk.fail_write(n / 2);
    std::vector<std::string> acknowledged;
    for (int i = 0; i < 60; ++i) {
      auto value = "value-" + std::to_string(i) + std::string(1000, 'x');
      bool was_fatal = rig.parts->core->fatal().has_value();
      auto done = rig.put(7, batch_of(1, value));
      ASSERT_FALSE(was_fatal && done) << "acknowledged after a failure";
      if (done) acknowledged.push_back(value);
    }
    rig.parts.reset();
    if (n % 3) rig.disk.power_loss();
    else rig.disk.kill();
    ASSERT_TRUE(rig.open());
    ASSERT_GE(rig.view().bounds(StreamId{7}).end.value, static_cast<std::int64_t>(acknowledged.size())) << n;
    ASSERT_TRUE(rig.report().corruption.empty());
  }
}

TEST_F(JournalFault, a_full_disk_refuses_data_lets_control_through_and_heals_by_itself) {
  disk.limit_space(disk.used_bytes());
  std::optional<Error> refused;
  for (int i = 0; i < 200 && !refused; ++i) {
    auto done = put(1, batch_of(1, std::string(1000, 'd')));
    if (!done) refused = done.error();
  }
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, Code::full);
  EXPECT_FALSE(refused->hint.empty());
  EXPECT_FALSE(parts->core->fatal());
  auto end = view().bounds(StreamId{1}).end;
  auto control = one(StreamId{2}, batch_of(1, "delete something"));
  control.purpose = Purpose::control;
  EXPECT_TRUE(put(control));
  EXPECT_EQ(put(1, batch_of(1, std::string(1000, 'd'))).error().code, Code::full);
  EXPECT_TRUE(readable(1, 0));

  disk.limit_space(0);
  clock.pass_ms(1100);
  make_spare();
  auto after = put(1, batch_of(1, std::string(1000, 'd')));
  ASSERT_TRUE(after) << after.error().text();
  EXPECT_EQ(after->base_offsets[0], end);
}

TEST_F(JournalFault, a_log_that_was_stopped_by_a_full_disk_starts_again_on_it) {
  disk.limit_space(disk.used_bytes());
  while (put(1, batch_of(1, std::string(1000, 'd')))) {}
  auto end = view().bounds(StreamId{1}).end;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(reopen());
  EXPECT_EQ(view().bounds(StreamId{1}).end, end);
}

// What somebody would put into a record to be taken for a group of the journal, should the real one before it be torn.
std::string forged_group(std::uint64_t salt) {
  GroupHeader header;
  header.jsn = Jsn{6};
  header.durable = Jsn{5};
  header.incarnation = Incarnation{1};
  header.salt = salt;
  auto batch = batch_of(1, "forged");
  EntryRow row{StreamId{9}, Offset{0}, default_tenant, static_cast<std::uint32_t>(batch.size())};
  return encode_group_head(header, std::span(&row, 1), {}, std::span(&batch, 1)) + std::string(batch.text());
}

TEST(JournalForgery, a_group_hidden_in_a_record_is_taken_for_ours_only_by_who_knows_the_salt) {
  for (bool knows_salt : {false, true}) {
    CoreRig rig;
    ASSERT_TRUE(rig.open());
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(rig.put(1, batch_of(1, "v")));
    auto header = decode_file_header(as_bytes(rig.disk.content(rig.file(1))));
    std::string payload(3 * block_bytes, '-');
    constexpr std::size_t before = group_header_bytes + entry_row_bytes + record::batch_header_bytes + 10;  // 10: the record's own head
    auto forged = forged_group(knows_salt ? header->salt : 12345);
    payload.replace(block_bytes - before, forged.size(), forged);
    ASSERT_TRUE(rig.put(4, batch_of(1, payload), Durability::on_write));
    auto at = rig.position_of(1, forged);
    ASSERT_EQ(at % block_bytes, 0u) << "not where recovery looks";
    rig.disk.flip(rig.file(1), at - 100, bit);
    rig.parts.reset();
    rig.disk.kill();
    ASSERT_TRUE(rig.open());
    EXPECT_EQ(rig.view().bounds(StreamId{9}).end, Offset{knows_salt ? 1 : 0}) << "with the salt it works, so the test can fail";
  }
}

}  // namespace
}  // namespace tidemill::log
