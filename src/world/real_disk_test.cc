#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "bytes/slice.h"
#include "world/real.h"

namespace tidemill::world {
namespace {

class RealDiskTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "tidemill-disk-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
  }
  void TearDown() override {
    auto names = disk_.list(dir_);
    ASSERT_TRUE(names);
    for (auto& name : *names) EXPECT_TRUE(disk_.remove(path(name)));
    EXPECT_TRUE(disk_.remove(dir_));
  }
  std::string path(std::string_view name) const { return fmt::format("{}/{}", dir_, name); }

  Disk& disk_ = real_disk();
  std::string dir_;
};

TEST_F(RealDiskTest, parts_land_contiguously_even_when_there_are_more_than_one_call_takes) {
  auto file = disk_.open(path("a"), Open::create);
  ASSERT_TRUE(file);
  std::vector<std::string> texts;
  std::string whole;
  for (int i = 0; i < 3000; ++i) whole += texts.emplace_back(std::string(static_cast<std::size_t>(i % 7), 'a' + static_cast<char>(i % 26)));
  std::vector<std::span<const std::byte>> parts;
  for (auto& text : texts) parts.push_back(as_bytes(text));
  ASSERT_TRUE((*file)->write_at(10, parts));
  ASSERT_TRUE((*file)->sync_data());
  std::string back(whole.size() + 100, '?');
  auto got = (*file)->read_at(10, std::as_writable_bytes(std::span(back)));
  ASSERT_TRUE(got);
  EXPECT_EQ(back.substr(0, *got), whole);
  EXPECT_EQ((*file)->size().value_or(0), whole.size() + 10);
}

TEST_F(RealDiskTest, opening_a_missing_file_says_not_found_and_names_it) {
  auto file = disk_.open(path("missing"), Open::write);
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, Code::not_found);
  EXPECT_NE(file.error().message.find("missing"), std::string::npos);
}

TEST_F(RealDiskTest, a_full_disk_is_told_apart_from_other_errors) {
  auto file = disk_.open("/dev/full", Open::write);
  ASSERT_TRUE(file);
  auto written = (*file)->write_at(0, as_bytes("x"));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Code::full);
}

TEST_F(RealDiskTest, a_lock_is_held_until_its_owner_goes) {
  auto first = disk_.lock(path("LOCK"));
  ASSERT_TRUE(first);
  auto second = disk_.lock(path("LOCK"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::busy);
  first->reset();
  EXPECT_TRUE(disk_.lock(path("LOCK")));
}

TEST_F(RealDiskTest, replace_file_swaps_the_whole_content_and_leaves_no_draft) {
  ASSERT_TRUE(replace_file(disk_, path("f"), "a long first content"));
  ASSERT_TRUE(replace_file(disk_, path("f"), "short"));
  EXPECT_EQ(read_file(disk_, path("f"), 100).value_or(""), "short");
  EXPECT_EQ(disk_.list(dir_).value_or(std::vector<std::string>{}), std::vector<std::string>{"f"});
  auto limited = read_file(disk_, path("f"), 4);
  ASSERT_FALSE(limited);
  EXPECT_EQ(limited.error().code, Code::too_large);
}

TEST_F(RealDiskTest, make_dirs_makes_every_missing_folder_and_refuses_a_file_in_the_way) {
  ASSERT_TRUE(disk_.make_dirs(path("x/y/")));
  EXPECT_TRUE(disk_.exists(path("x/y")).value_or(false));
  ASSERT_TRUE(disk_.make_dirs(path("x/y")));
  ASSERT_TRUE(replace_file(disk_, path("x/y/file"), "1"));
  EXPECT_FALSE(disk_.make_dirs(path("x/y/file")));
  ASSERT_TRUE(disk_.remove(path("x/y/file")));
  ASSERT_TRUE(disk_.remove(path("x/y")));
}

TEST(RealRandom, does_not_repeat_itself) {
  std::set<std::uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(real_random().next());
  EXPECT_EQ(seen.size(), 1000u);
}

}  // namespace
}  // namespace tidemill::world
