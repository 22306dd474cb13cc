// The bytes of a segment are a promise to every later version: tests/golden/segment holds one written once, read for ever.
// After a deliberate change of the format (docs/formats/segment.md, and a new version): TIDEMILL_WRITE_GOLDEN=1 log_test
#include <filesystem>
#include <fstream>
#include <iterator>

#include "log/test_segments.h"

namespace tidemill::log {
namespace {

const std::string golden = TIDEMILL_SOURCE_DIR "/tests/golden/segment/v1/0000000000000001.segment";

std::string golden_bytes() {
  std::ifstream in(golden, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Three streams; a compacted gap; a batch that is larger than a row; two rows that begin in the middle of a stream.
KnownEntries a_little_of_everything() {
  KnownEntries out;
  for (std::int64_t i = 0; i < 3; ++i) out.push_back(known_entry(7, i * 2, i * 2, batch_of(2, fmt::format("seven {}", i), 1000 + i), Jsn{static_cast<std::uint64_t>(10 + i)}));
  out.push_back(known_entry(8, 40, 45, batch_of(3, "eight, behind what compaction took", 900), Jsn{20}));
  out.push_back(known_entry(8, 48, 48, batch_of(1, std::string(20'000, 'L'), 2000), Jsn{21}));
  for (std::int64_t i = 0; i < 4; ++i) out.push_back(known_entry(9, i, i, batch_of(1, std::string(6'000, static_cast<char>('a' + i)), 3000 - i), Jsn{static_cast<std::uint64_t>(30 + i)}));
  return out;
}

TEST(SegmentGolden, todays_writer_makes_the_same_bytes) {
  SegmentRig rig;
  ASSERT_TRUE(rig.write(a_little_of_everything()));
  auto bytes = rig.disk.content(rig.path(1));
  if (std::getenv("TIDEMILL_WRITE_GOLDEN")) {
    std::filesystem::create_directories(std::filesystem::path(golden).parent_path());
    std::ofstream(golden, std::ios::binary) << bytes;
  }
  EXPECT_TRUE(golden_bytes() == bytes);
}

TEST(SegmentGolden, a_segment_of_version_1_is_read) {
  SegmentRig rig;
  ASSERT_TRUE(rig.disk.make_dirs(segments_folder(rig.dir)));
  auto bytes = golden_bytes();
  ASSERT_TRUE((*rig.disk.open(rig.path(1), world::Open::create))->write_at(0, as_bytes(bytes)));
  auto info = rig.files.load_info(1);
  ASSERT_TRUE(info) << info.error().text();
  EXPECT_FALSE(rig.files.is_rebuilt(1));
  auto entries = a_little_of_everything();
  EXPECT_EQ(info->entries, entries.size());
  EXPECT_EQ(info->retention_class, 31u);
  EXPECT_EQ(info->index.rows, 4u);
  for (auto [stream, from, end] : {std::tuple{7, 0, 6}, {8, 40, 49}, {9, 0, 4}})
    for (Offset at{from}; at < Offset{end};) {
      auto read = rig.files.read(*info, StreamId{static_cast<std::uint64_t>(stream)}, at, 7'000);
      ASSERT_TRUE(read && !read->batches.empty());
      at = expect_chain(*read, entries, StreamId{static_cast<std::uint64_t>(stream)}, at);
    }
}

// The page's tables, by hand, so that code and page cannot drift apart together.
TEST(SegmentGolden, the_bytes_are_where_the_page_says) {
  auto file = golden_bytes();
  ASSERT_EQ(file.size() % 4096, 0u);
  auto u32 = [&](std::size_t at) { std::uint32_t v; std::memcpy(&v, file.data() + at, 4); return v; };
  auto u64 = [&](std::size_t at) { std::uint64_t v; std::memcpy(&v, file.data() + at, 8); return v; };
  EXPECT_EQ(file.substr(0, 8), "TMSEGMNT");
  EXPECT_EQ(u32(12), 1u);
  EXPECT_EQ(u64(16), 1u) << "number";
  EXPECT_EQ(u32(32), 31u) << "class";
  EXPECT_EQ(u64(40), 1u) << "JSN from";
  auto entry = std::size_t{4096};
  EXPECT_EQ(u64(entry + 8), 7u) << "stream";
  EXPECT_EQ(u64(entry + 32), 10u) << "JSN";
  EXPECT_EQ(u32(entry + 60), 2u) << "span";
  EXPECT_EQ(u32(entry + 68), 0u);
  EXPECT_EQ(file[entry + 72 + 16], 2) << "the batch's magic";
  auto second = entry + 72 + u32(entry + 4);
  EXPECT_EQ(u64(second + 16), 2u) << "base of the second entry";
  auto eight = second + 2 * (72 + u32(second + 4));
  EXPECT_EQ(u64(eight + 8), 8u);
  EXPECT_EQ(u64(eight + 16), 45u);
  EXPECT_EQ(u64(eight + 24), 40u) << "from";
  auto footer = file.size() - 4096;
  EXPECT_EQ(file.substr(footer, 8), "TMSEGEND");
  EXPECT_EQ(file.substr(footer + 16, 48), file.substr(16, 48));
  EXPECT_EQ(u64(footer + 72), 9u) << "entries";
  EXPECT_EQ(u64(footer + 80), 7u);
  EXPECT_EQ(u64(footer + 88), 9u);
  EXPECT_EQ(u64(footer + 120), 77u) << "purged to";
  auto index = u64(footer + 128);
  EXPECT_EQ(index, (u64(footer + 64) + 4095) / 4096 * 4096);
  EXPECT_EQ(u64(footer + 136), 4u) << "rows";
  EXPECT_EQ(u32(index + 4), 32u | 4u << 16) << "kind and rows";
  EXPECT_EQ(u64(index + 24), 7u);
  EXPECT_EQ(u64(index + 40), 4096u);
}

}  // namespace
}  // namespace tidemill::log
