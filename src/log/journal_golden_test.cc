// The journal's bytes are a promise to every later version: tests/golden/journal holds files written once, read for ever.
// After a deliberate change of the format (docs/formats/journal.md, and a new version): TIDEMILL_WRITE_GOLDEN=1 log_test
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "log/test_core_rig.h"

namespace tidemill::log {
namespace {

std::string golden_of(int version) { return TIDEMILL_SOURCE_DIR "/tests/golden/journal/v" + std::to_string(version); }
const std::string golden = golden_of(static_cast<int>(format_version));

std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Two runs; streams of two tenants; atomic, relaxed and idempotent appends, a trim and a deletion; sealed files, an open one, a spare.
void write_a_little_of_everything(CoreRig& rig) {
  rig.options.journal_file_bytes = 64 << 10;
  ASSERT_TRUE(rig.open());
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(rig.put(static_cast<std::uint64_t>(1 + i % 2), batch_of(1 + i, "first run " + std::to_string(i), 1000 + i)));
  ASSERT_TRUE(rig.put(3, idempotent(2, 77, 1, 0, "once")));
  ASSERT_TRUE(rig.reopen());
  Append both;
  both.entries = {{default_tenant, StreamId{1}, batch_of(1, "both")}, {TenantId{5}, StreamId{4}, batch_of(2, "both")}};
  ASSERT_TRUE(rig.put(both));
  ASSERT_TRUE(rig.put(2, batch_of(1, "relaxed", 2000), Durability::on_write));
  rig.go_idle();
  rig.go_idle();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(rig.put(1, batch_of(1, "second run " + std::to_string(i), 3000)));
  Append marks;
  marks.marks = {{Mark::Kind::trim, StreamId{2}, Offset{6}}, {Mark::Kind::forget, StreamId{4}, Offset{0}}};
  ASSERT_TRUE(rig.put(marks));
  rig.go_idle();
}

TEST(JournalGolden, todays_writer_makes_the_same_bytes) {
  CoreRig rig;
  write_a_little_of_everything(rig);
  auto names = rig.disk.list(journal_folder(rig.options.dir));
  ASSERT_TRUE(names);
  if (std::getenv("TIDEMILL_WRITE_GOLDEN")) {
    std::filesystem::create_directories(golden);
    for (auto& name : *names) std::ofstream(golden + "/" + name, std::ios::binary) << rig.disk.content("data/journal/" + name);
  }
  std::size_t files = 0;
  for (auto& entry : std::filesystem::directory_iterator(golden)) files += entry.path().extension() == ".journal";
  ASSERT_EQ(files, names->size());
  for (auto& name : *names) EXPECT_TRUE(content_of(golden + "/" + name) == rig.disk.content("data/journal/" + name)) << name;
}

class JournalGoldenOf : public testing::TestWithParam<int> {};

TEST_P(JournalGoldenOf, files_are_read) {
  auto folder = golden_of(GetParam());
  CoreRig rig;
  rig.options.journal_file_bytes = 64 << 10;
  ASSERT_TRUE(rig.disk.make_dirs("data/journal"));
  for (auto& entry : std::filesystem::directory_iterator(folder)) {
    auto file = rig.disk.open("data/journal/" + entry.path().filename().string(), world::Open::create);
    auto bytes = content_of(entry.path());
    ASSERT_TRUE((*file)->write_at(0, as_bytes(bytes)));
  }
  ASSERT_TRUE(rig.open());
  EXPECT_TRUE(rig.report().corruption.empty());
  EXPECT_FALSE(rig.report().tail_dropped);
  EXPECT_EQ(rig.parts->core->incarnation(), Incarnation{3});
  std::map<std::uint64_t, std::int64_t> ends;
  for (std::uint64_t s = 1; s <= 4; ++s) ends[s] = rig.view().bounds(StreamId{s}).end.value;
  EXPECT_EQ(ends, (std::map<std::uint64_t, std::int64_t>{{1, 14}, {2, 13}, {3, 2}, {4, 2}}));
  bool marks = GetParam() > 1;
  EXPECT_EQ(rig.view().bounds(StreamId{2}).start, Offset{marks ? 6 : 0});
  EXPECT_EQ(rig.view().read(StreamId{4}, Offset{0}, 1).has_value(), !marks) << "deleted";
  std::vector<std::string> values;
  for (Offset at{0}; at < Offset{14};) {
    auto read = rig.view().read(StreamId{1}, at, 1);
    ASSERT_TRUE(read) << read.error().text();
    auto records = record::BatchRecords::open((*read)[0].bytes, at);
    record::RecordView r;
    ASSERT_TRUE(*records->next(r));
    values.emplace_back(*r.value);
    at += records->header().records_count;
  }
  EXPECT_EQ(values, (std::vector<std::string>{"first run 0", "first run 2", "first run 4", "both", "second run 0", "second run 1", "second run 2", "second run 3"}));
  auto again = rig.put(3, idempotent(2, 77, 1, 0, "once"));
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->duplicate) << "the producer's window was not read";
}

INSTANTIATE_TEST_SUITE_P(EveryVersion, JournalGoldenOf, testing::Values(1, 2));

// The page's tables, by hand, so that code and page cannot drift apart together.
TEST(JournalGolden, the_bytes_are_where_the_page_says) {
  auto file = content_of(golden + "/0000000000000001.journal");
  ASSERT_GT(file.size(), 2 * block_bytes);
  EXPECT_EQ(file.substr(0, 8), "TIDEMILL");
  auto u32 = [&](std::size_t at) { std::uint32_t v; std::memcpy(&v, file.data() + at, 4); return v; };
  auto u64 = [&](std::size_t at) { std::uint64_t v; std::memcpy(&v, file.data() + at, 8); return v; };
  EXPECT_EQ(u32(12), format_version);
  EXPECT_EQ(u64(16), 1u);
  EXPECT_EQ(u64(40), file.size());
  EXPECT_EQ(file.substr(4096, 4), "Tmgr");
  EXPECT_EQ(u32(4096 + 12), 64u);
  EXPECT_EQ(u64(4096 + 16), 1u) << "JSN";
  EXPECT_EQ(u64(4096 + 24), 1u) << "incarnation";
  EXPECT_EQ(u64(4096 + 56), u64(24)) << "salt";
  auto second = 2 * 4096u;
  EXPECT_EQ(u64(second + 16), 2u);
  EXPECT_EQ(u64(second + 32), 1u) << "durable_jsn";
  EXPECT_EQ(u32(second + 52), 1u) << "entries";
  EXPECT_EQ(u64(second + 64), 1u) << "stream";
  EXPECT_EQ(u32(second + 64 + 20), u32(second + 12) - 64 - 24) << "batch length";
  EXPECT_EQ(file.substr(file.size() - 4096, 8), "TMSEALED");
  EXPECT_EQ(file.substr(u64(file.size() - 4096 + 32) + 4, 2), std::string("\1\0", 2)) << "the first page is of table 1";
}

}  // namespace
}  // namespace tidemill::log
