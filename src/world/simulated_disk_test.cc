// The simulated disk must be as treacherous as it promises, and replace_file must survive it.
#include <gtest/gtest.h>

#include "world/simulated_disk.h"

namespace tidemill::world {
namespace {

std::span<const std::byte> as_bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

TEST(SimulatedDisk, synced_bytes_survive_and_unsynced_ones_do_not_always) {
  int lost = 0, kept = 0, holes = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SimulatedDisk disk(seed);
    ASSERT_TRUE(disk.make_dirs("d"));
    auto file = disk.open("d/f", Open::create);
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->write_at(0, as_bytes_of(std::string(4096, 'a'))));
    ASSERT_TRUE((*file)->sync_data());
    ASSERT_TRUE(disk.sync_dir("d"));
    ASSERT_TRUE((*file)->write_at(4096, as_bytes_of(std::string(2048, 'b'))));
    ASSERT_TRUE((*file)->write_at(6144, as_bytes_of(std::string(2048, 'c'))));
    disk.power_loss();
    EXPECT_FALSE((*file)->size()) << "an open file must not outlive the crash";
    auto now = disk.content("d/f");
    ASSERT_GE(now.size(), 4096u);
    EXPECT_EQ(now.substr(0, 4096), std::string(4096, 'a'));
    bool b = now.size() > 4096 && now.find('b') != std::string::npos, c = now.find('c') != std::string::npos;
    kept += b && c;
    lost += !b && !c;
    holes += !b && c;
  }
  EXPECT_GT(lost, 10);
  EXPECT_GT(kept, 10);
  EXPECT_GT(holes, 5);
}

TEST(SimulatedDisk, a_new_name_needs_its_folder_synced) {
  int there = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SimulatedDisk disk(seed);
    ASSERT_TRUE(disk.make_dirs("d"));
    auto file = disk.open("d/f", Open::create);
    ASSERT_TRUE((*file)->sync_data());
    disk.power_loss();
    there += *disk.exists("d/f");
  }
  EXPECT_GT(there, 10);
  EXPECT_LT(there, 90);
}

TEST(SimulatedDisk, a_failed_sync_loses_what_looked_written) {
  int lost = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SimulatedDisk disk(seed);
    ASSERT_TRUE(disk.make_dirs("d"));
    auto file = disk.open("d/f", Open::create);
    ASSERT_TRUE((*file)->write_at(0, as_bytes_of(std::string(512, 'a'))));
    ASSERT_TRUE(disk.sync_dir("d"));
    disk.fail_sync(1);
    EXPECT_EQ((*file)->sync_data().error().code, Code::io);
    ASSERT_TRUE((*file)->sync_data()) << "the second one claims success";
    disk.power_loss();
    lost += disk.content("d/f") != std::string(512, 'a');
  }
  EXPECT_GT(lost, 20);
}

TEST(SimulatedDisk, replace_file_leaves_the_old_or_the_new_content_whole) {
  int old_seen = 0, new_seen = 0;
  std::string before(3000, 'o'), after(5000, 'n');
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    SimulatedDisk disk(seed);
    ASSERT_TRUE(disk.make_dirs("d"));
    ASSERT_TRUE(replace_file(disk, "d/f", before));
    disk.stop_at_change(1 + seed % 7);
    auto replaced = replace_file(disk, "d/f", after);
    disk.power_loss();
    auto now = read_file(disk, "d/f", 1 << 20);
    ASSERT_TRUE(now) << now.error().text();
    ASSERT_TRUE(*now == before || *now == after) << "seed " << seed;
    ASSERT_TRUE(!replaced || *now == after) << "seed " << seed << ": was answered, is gone";
    (*now == before ? old_seen : new_seen) += 1;
  }
  EXPECT_GT(old_seen, 20);
  EXPECT_GT(new_seen, 20);
}

TEST(SimulatedDisk, a_limit_of_space_is_met_by_growing_only) {
  SimulatedDisk disk(1);
  ASSERT_TRUE(disk.make_dirs("d"));
  auto file = disk.open("d/f", Open::create);
  disk.limit_space(1000);
  ASSERT_TRUE((*file)->write_at(0, as_bytes_of(std::string(1000, 'a'))));
  EXPECT_EQ((*file)->write_at(1000, as_bytes_of("x")).error().code, Code::full);
  EXPECT_TRUE((*file)->write_at(0, as_bytes_of(std::string(1000, 'b'))));
}

}  // namespace
}  // namespace tidemill::world
