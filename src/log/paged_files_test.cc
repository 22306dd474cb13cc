#include "log/paged_files.h"

#include <gtest/gtest.h>

#include "world/simulated_disk.h"

namespace tidemill::log {
namespace {

struct PagedFilesTest : testing::Test {
  world::SimulatedDisk disk{1};
  PagedFiles files{disk, [](std::uint64_t number) { return "data/" + std::to_string(number); }};
  void SetUp() override { ASSERT_TRUE(disk.make_dirs("data")); }
  void make(std::uint64_t number) { ASSERT_TRUE(disk.open("data/" + std::to_string(number), world::Open::create)); }
  static PagedFiles::Page page(std::string text) { return std::make_shared<const std::string>(std::move(text)); }
};

TEST_F(PagedFilesTest, few_files_stay_open_however_many_are_read) {
  for (std::uint64_t number = 0; number < 300; ++number) {
    make(number);
    ASSERT_TRUE(files.file(number));
  }
  EXPECT_EQ(files.open_files(), 128u);
  EXPECT_TRUE(files.file(0)) << "opened again";
  EXPECT_EQ(files.file(500).error().code, Code::not_found);
}

TEST_F(PagedFilesTest, few_pages_are_kept_and_the_ones_in_use_stay) {
  files.keep({1, 0, 0}, page("first"));
  for (std::uint64_t i = 1; i < 10'000; ++i) {
    files.keep({1, i * 4096, 0}, page("x"));
    ASSERT_TRUE(files.find({1, 0, 0})) << "used all the time";
  }
  EXPECT_EQ(files.kept_pages(), 4096u);
  EXPECT_FALSE(files.find({1, 4096, 0}));
}

TEST_F(PagedFilesTest, what_was_read_before_pages_were_made_again_is_not_found) {
  files.keep({1, 0, 0}, page("old"));
  EXPECT_FALSE(files.find({1, 0, 1}));
  files.keep({1, 0, 1}, page("new"));
  EXPECT_EQ(*files.find({1, 0, 1}), "new");
}

TEST_F(PagedFilesTest, a_forgotten_file_is_closed_and_its_pages_go) {
  make(1);
  make(2);
  ASSERT_TRUE(files.file(1) && files.file(2));
  files.keep({1, 0, 0}, page("one"));
  files.keep({2, 0, 0}, page("two"));
  files.forget(1);
  EXPECT_EQ(files.open_files(), 1u);
  EXPECT_FALSE(files.find({1, 0, 0}));
  EXPECT_TRUE(files.find({2, 0, 0}));
  ASSERT_TRUE(disk.remove("data/1"));
  EXPECT_FALSE(files.file(1));
}

}  // namespace
}  // namespace tidemill::log
