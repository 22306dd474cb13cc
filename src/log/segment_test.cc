// A segment against what is known to be in it.
#include <map>

#include "log/test_segments.h"
#include "record/rewrite.h"

namespace tidemill::log {
namespace {

std::map<StreamId, KnownEntries> by_stream(const KnownEntries& entries) {
  std::map<StreamId, KnownEntries> out;
  for (auto& known : entries) out[known.entry.stream].push_back(known);
  return out;
}

TEST(Segment, every_offset_is_answered_as_a_model_in_memory_does) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    std::mt19937_64 random(seed);
    SegmentRig rig;
    auto entries = random_entries(random, 1 + random() % 40, 30, 60'000);
    auto info = rig.write(entries);
    ASSERT_TRUE(info) << info.error().text();
    EXPECT_EQ(info->entries, entries.size());
    for (auto& [stream, known] : by_stream(entries)) {
      auto start = known.front().entry.from, end = known.back().entry.end();
      for (auto at = start; at < end; at += 1) {
        auto bytes_max = random() % 3 ? random() % 100'000 : 1;
        auto read = rig.files.read(*info, stream, at, bytes_max);
        ASSERT_TRUE(read) << read.error().text();
        ASSERT_FALSE(read->batches.empty());
        auto reached = expect_chain(*read, entries, stream, at);
        EXPECT_EQ(read->more, reached < end);
        std::size_t bytes = 0;
        for (auto& found : read->batches) bytes += found.batch.bytes.size();
        EXPECT_TRUE(bytes <= bytes_max || read->batches.size() == 1) << bytes << " of " << bytes_max;
      }
      auto behind = rig.files.read(*info, stream, end, 1000);
      ASSERT_TRUE(behind);
      EXPECT_TRUE(behind->batches.empty());
      if (start > Offset{0}) EXPECT_EQ(rig.files.read(*info, stream, start - 1, 1000).error().code, Code::corrupt) << "a gap is damage";
    }
  }
}

TEST(Segment, a_stream_that_is_not_there_is_not_found) {
  std::mt19937_64 random(3);
  SegmentRig rig;
  auto entries = random_entries(random, 30, 20, 20'000);
  auto info = rig.write(entries);
  auto known = by_stream(entries);
  for (std::uint64_t s = 0; s <= info->last_stream.value + 2; ++s) {
    auto there = known.contains(StreamId{s});
    auto contains = rig.files.contains(*info, StreamId{s});
    ASSERT_TRUE(contains);
    EXPECT_EQ(*contains, there) << s;
    if (!there) EXPECT_TRUE(rig.files.read(*info, StreamId{s}, Offset{0}, 1000)->batches.empty());
    auto first = rig.files.first_entry(*info, StreamId{s});
    ASSERT_TRUE(first && first->has_value() == there);
    if (there) EXPECT_EQ(**first, known[StreamId{s}].front().entry);
  }
}

TEST(Segment, the_first_batch_that_is_late_enough_is_found) {
  std::mt19937_64 random(4);
  SegmentRig rig;
  auto entries = random_entries(random, 12, 60, 30'000);
  auto info = rig.write(entries);
  for (auto& [stream, known] : by_stream(entries))
    for (int i = 0; i < 40; ++i) {
      auto time = 990 + static_cast<std::int64_t>(random() % 530);
      auto from = known.front().entry.from + static_cast<std::int64_t>(random() % 100);
      auto expected = std::find_if(known.begin(), known.end(), [&](auto& k) { return k.entry.end() > from && k.entry.max_timestamp >= time; });
      auto found = rig.files.find_by_time(*info, stream, from, time);
      ASSERT_TRUE(found);
      ASSERT_EQ(found->has_value(), expected != known.end());
      if (*found) EXPECT_EQ((*found)->batch.base, expected->entry.base);
      if (*found) EXPECT_TRUE((*found)->batch.bytes.text() == expected->batch.text());
    }
}

TEST(Segment, a_scan_meets_every_entry_can_skip_and_can_go_back) {
  std::mt19937_64 random(5);
  SegmentRig rig;
  auto entries = random_entries(random, 20, 40, 50'000);
  auto info = rig.write(entries);
  auto scan = rig.files.scan(*info);
  ASSERT_TRUE(scan);
  for (auto& known : entries) {
    ASSERT_TRUE(scan->next());
    EXPECT_EQ(scan->entry(), known.entry);
    EXPECT_TRUE(scan->batch()->text() == known.batch.text());
  }
  EXPECT_FALSE(scan->next());
  EXPECT_TRUE(scan->take_damage().empty());

  auto& target = entries[entries.size() / 2];
  auto again = rig.files.scan(*info);
  ASSERT_TRUE(again->next());
  auto start = again->place();
  again->skip_to(target.entry.stream, target.entry.from);
  ASSERT_TRUE(again->next());
  EXPECT_EQ(again->entry(), target.entry);
  EXPECT_TRUE(again->take_damage().empty()) << "what is skipped is not damage";
  again->go_back(start);
  ASSERT_TRUE(again->next());
  EXPECT_EQ(again->entry(), entries.front().entry);
}

TEST(Segment, a_scan_holds_on_to_batches_that_were_given_out) {
  std::mt19937_64 random(6);
  SegmentRig rig;
  auto entries = random_entries(random, 8, 60, 200'000);
  auto info = rig.write(entries);
  auto scan = rig.files.scan(*info);
  std::vector<Slice> batches;
  while (scan->next()) batches.push_back(*scan->batch());
  ASSERT_EQ(batches.size(), entries.size());
  for (std::size_t i = 0; i < batches.size(); ++i) EXPECT_TRUE(batches[i].text() == entries[i].batch.text());
}

TEST(Segment, the_footer_says_what_the_writer_said) {
  std::mt19937_64 random(7);
  SegmentRig rig;
  auto entries = random_entries(random, 10, 10, 20'000);
  auto info = rig.write(entries);
  SegmentFiles fresh(rig.disk, rig.dir);
  auto loaded = fresh.load_info(info->number);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(*loaded, *info);
  EXPECT_EQ(info->purged_to, Jsn{77});
  ByteWriter out;
  put_segment_info(out, *info);
  EXPECT_EQ(out.size(), segment_info_bytes);
  ByteReader in(out.view());
  EXPECT_EQ(*get_segment_info(in), *info) << "as a manifest keeps it";
  EXPECT_EQ(info->file_bytes, rig.disk.content(rig.path(info->number)).size());
  EXPECT_EQ(info->first_stream, entries.front().entry.stream);
  EXPECT_EQ(info->last_stream, entries.back().entry.stream);
  auto older = [](auto& a, auto& b) { return a.entry.max_timestamp < b.entry.max_timestamp; };
  EXPECT_EQ(info->oldest_ms, std::min_element(entries.begin(), entries.end(), older)->entry.max_timestamp);
  EXPECT_EQ(info->newest_ms, std::max_element(entries.begin(), entries.end(), older)->entry.max_timestamp);
  EXPECT_FALSE(fresh.is_rebuilt(info->number));
}

TEST(Segment, a_large_batch_is_written_a_MiB_at_a_time_and_has_a_row_of_its_own) {
  SegmentRig rig;
  auto large = batch_of(1, std::string(5 << 20, 'x'));
  KnownEntries entries{known_entry(1, 0, 0, batch_of(1, "before")), known_entry(2, 0, 0, large), known_entry(2, 1, 1, batch_of(2, "behind"))};
  auto writer = SegmentWriter::create(rig.disk, rig.dir, rig.identity());
  ASSERT_TRUE((*writer)->add(entries[0].entry, entries[0].batch));
  EXPECT_FALSE((*writer)->busy());
  ASSERT_TRUE((*writer)->add(entries[1].entry, entries[1].batch));
  int steps = 0;
  for (; (*writer)->busy(); ++steps) ASSERT_TRUE((*writer)->pump());
  EXPECT_GE(steps, 4);
  ASSERT_TRUE((*writer)->add(entries[2].entry, entries[2].batch));
  auto info = (*writer)->finish(Jsn{1});
  ASSERT_TRUE(info);
  EXPECT_EQ(info->index.rows, 3u);
  auto read = rig.files.read(*info, StreamId{2}, Offset{0}, 1);
  ASSERT_TRUE(read);
  EXPECT_EQ(expect_chain(*read, entries, StreamId{2}, Offset{0}), Offset{1});
  EXPECT_TRUE(read->more);
  auto rest = rig.files.read(*info, StreamId{2}, Offset{1}, 1);
  EXPECT_EQ(expect_chain(*rest, entries, StreamId{2}, Offset{1}), Offset{3});
  EXPECT_FALSE(rest->more);
}

TEST(Segment, a_million_bytes_wait_for_no_sync) {
  SegmentRig rig;
  auto writer = SegmentWriter::create(rig.disk, rig.dir, rig.identity());
  auto before = rig.disk.syncs();
  for (int i = 0; i < 80; ++i) ASSERT_TRUE((*writer)->add(known_entry(1, i, i, batch_of(1, std::string(100'000, 'x'))).entry, batch_of(1, std::string(100'000, 'x'))));
  EXPECT_GE(rig.disk.syncs() - before, 7u);
}

TEST(SegmentDeathTest, entries_out_of_order_stop_the_process) {
  SegmentRig rig;
  auto first = known_entry(5, 10, 10, batch_of(3, "x"));
  auto add_behind = [&](const KnownEntry& second) {
    auto writer = SegmentWriter::create(rig.disk, rig.dir, rig.identity());
    (void)(*writer)->add(first.entry, first.batch);
    (void)(*writer)->add(second.entry, second.batch);
  };
  EXPECT_DEATH(add_behind(known_entry(4, 13, 13, batch_of(1, "x"))), "stream 4 after 5");
  EXPECT_DEATH(add_behind(known_entry(5, 12, 13, batch_of(1, "x"))), "12 after 13");
  EXPECT_DEATH(add_behind(first), "10 after 13");
  EXPECT_DEATH(add_behind(known_entry(6, 8, 7, batch_of(1, "x"))), "stream 6");
}

TEST(Segment, a_search_by_time_passes_over_batches_without_records) {
  SegmentRig rig;
  auto full = batch_of(1, "x", 2000);
  auto empty = record::empty_batch(*record::read_header(full.bytes()));
  auto info = rig.write({known_entry(1, 0, 0, empty), known_entry(1, 1, 1, full)});
  ASSERT_EQ((*rig.files.read(*info, StreamId{1}, Offset{0}, 1)).batches.front().end, Offset{1}) << "a reader meets it all the same";
  EXPECT_EQ((*rig.files.find_by_time(*info, StreamId{1}, Offset{0}, 1500))->batch.base, Offset{1});
}

TEST(Segment, a_number_is_not_used_twice) {
  SegmentRig rig;
  auto who = rig.identity();
  KnownEntries entries{known_entry(1, 0, 0, batch_of(1, "x"))};
  ASSERT_TRUE(rig.write(entries, who));
  EXPECT_EQ(rig.write(entries, who).error().code, Code::already_exists);
}

TEST(Segment, a_removed_segment_is_forgotten) {
  SegmentRig rig;
  KnownEntries entries{known_entry(1, 0, 0, batch_of(1, "x"))};
  auto info = rig.write(entries);
  ASSERT_TRUE(rig.files.read(*info, StreamId{1}, Offset{0}, 1));
  ASSERT_TRUE(rig.disk.remove(rig.path(info->number)));
  rig.files.forget(info->number);
  EXPECT_EQ(rig.files.read(*info, StreamId{1}, Offset{0}, 1).error().code, Code::not_found);
}

}  // namespace
}  // namespace tidemill::log
