// Segments on disks that lie, fail and lose power: never a wrong byte, never half a segment under its name.
#include "bytes/crc32c.h"
#include "log/test_segments.h"

namespace tidemill::log {
namespace {

KnownEntries small_segment() {
  KnownEntries out;
  for (std::uint64_t stream = 1; stream <= 3; ++stream)
    for (std::int64_t i = 0, end = 0; i < 5; ++i) {
      out.push_back(known_entry(stream, end, end + (i == 3 ? 2 : 0), batch_of(2, fmt::format("stream {} entry {}", stream, i), 1000 + i)));
      end = out.back().entry.end().value;
    }
  return out;
}

// Reads everything there is; what comes must be right. The number of offsets that were not answered.
std::size_t unanswered(SegmentFiles& files, const SegmentInfo& info, const KnownEntries& entries) {
  std::size_t out = 0;
  for (auto& known : entries)
    for (auto at = known.entry.from; at < known.entry.end(); at += 1) {
      auto read = files.read(info, known.entry.stream, at, 1000);
      if (!read) EXPECT_EQ(read.error().code, Code::corrupt) << read.error().text();
      auto reached = read ? expect_chain(*read, entries, known.entry.stream, at) : at;
      out += reached == at;
    }
  return out;
}

TEST(SegmentDamage, one_flipped_bit_anywhere_never_gives_a_wrong_byte_and_costs_at_most_one_entry) {
  SegmentRig rig;
  auto entries = small_segment();
  auto info = rig.write(entries);
  ASSERT_TRUE(info);
  std::size_t index_damage = 0, entry_damage = 0;
  for (std::uint64_t at = 0; at < info->file_bytes; ++at) {
    auto bit = static_cast<std::byte>(1u << ((at * 5 + at / 8) % 8));
    rig.disk.flip(rig.path(info->number), at, bit);
    SegmentFiles by_manifest(rig.disk, rig.dir);
    auto lost = unanswered(by_manifest, *info, entries);
    auto in_data = at >= block_bytes && at < info->data_end;
    EXPECT_LE(lost, in_data ? 4u : 0u) << at;
    entry_damage += lost > 0;
    index_damage += by_manifest.is_rebuilt(info->number);
    SegmentFiles alone(rig.disk, rig.dir);
    auto loaded = alone.load_info(info->number);
    ASSERT_TRUE(loaded) << at;
    auto expected = *info;
    if (at >= info->file_bytes - block_bytes) expected.purged_to = Jsn{0};
    EXPECT_EQ(*loaded, expected) << at;
    EXPECT_EQ(unanswered(alone, *loaded, entries), lost) << at;
    rig.disk.flip(rig.path(info->number), at, bit);
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_EQ(index_damage, block_bytes * pages_for<SegmentRow>(info->index.rows)) << "every bit of a page counts";
  // All of an entry counts, but base offset and leader epoch of its batch, which mean nothing.
  EXPECT_GE(entry_damage, info->data_end - block_bytes - entries.size() * 12);
}

TEST(SegmentDamage, a_smashed_part_costs_what_lay_in_it_and_a_scan_says_where) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    std::mt19937_64 random(seed);
    SegmentRig rig;
    auto entries = random_entries(random, 8, 20, 30'000);
    auto info = rig.write(entries);
    auto begin = block_bytes + random() % (info->data_end - block_bytes);
    auto end = std::min(info->data_end, begin + 1 + random() % 20'000);
    for (auto at = begin; at < end; ++at) rig.disk.flip(rig.path(info->number), at, static_cast<std::byte>(1 + random() % 255));
    std::size_t expected = 0;
    std::vector<const KnownEntry*> hit;
    std::uint64_t position = block_bytes;
    for (auto& known : entries) {
      bool touched = position < end && position + known.entry.bytes() > begin;
      // Base offset, and leader epoch, of the batch mean nothing.
      auto meaningless = position + segment_entry_bytes;
      if (touched && begin >= meaningless && end <= meaningless + 8) touched = false;
      if (touched) hit.push_back(&known);
      position += known.entry.bytes();
    }
    for (auto* known : hit) expected += static_cast<std::size_t>(known->entry.end() - known->entry.from);
    SegmentFiles files(rig.disk, rig.dir);
    EXPECT_EQ(unanswered(files, *info, entries), expected) << seed;

    auto scan = files.scan(*info);
    std::size_t met = 0;
    while (scan->next()) met += scan->batch().has_value();
    EXPECT_EQ(met, entries.size() - hit.size()) << seed;
    auto damage = scan->take_damage();
    for (auto* known : hit) {
      auto covers = [&](const EntryDamage& d) {
        return std::pair(d.first, d.from) <= std::pair(known->entry.stream, known->entry.from) && std::pair(known->entry.stream, known->entry.end()) <= std::pair(d.last, d.to);
      };
      EXPECT_TRUE(std::any_of(damage.begin(), damage.end(), covers)) << seed << ": stream " << known->entry.stream.value << " at " << known->entry.base.value;
    }
    if (testing::Test::HasFailure()) return;
  }
}

TEST(SegmentDamage, a_bad_index_is_made_again_and_the_file_is_left_as_it_is) {
  std::mt19937_64 random(2);
  SegmentRig rig;
  auto entries = random_entries(random, 30, 60, 60'000);
  auto info = rig.write(entries);
  ASSERT_GT(info->index.rows, rows_per_page<SegmentRow>) << "more than one page";
  for (auto at = info->index.position; at < info->file_bytes - block_bytes; at += block_bytes) rig.disk.flip(rig.path(info->number), at + 100, std::byte{4});
  auto before = rig.disk.content(rig.path(info->number));
  EXPECT_EQ(unanswered(rig.files, *info, entries), 0u);
  EXPECT_TRUE(rig.files.is_rebuilt(info->number));
  EXPECT_TRUE(rig.disk.content(rig.path(info->number)) == before);
  rig.files.forget(info->number);
  EXPECT_FALSE(rig.files.is_rebuilt(info->number));
}

TEST(SegmentDamage, an_index_made_again_has_the_rows_that_the_writer_made) {
  std::mt19937_64 random(8);
  SegmentRig rig;
  auto entries = random_entries(random, 30, 60, 60'000);
  auto info = rig.write(entries);
  SegmentRows rows;
  auto scan = rig.files.scan(*info);
  while (scan->next()) rows.add(scan->entry(), scan->position());
  ASSERT_EQ(rows.rows().size(), info->index.rows);
  for (std::size_t i = 0; i < rows.rows().size(); ++i) EXPECT_EQ(*rig.files.stored_row(*info, i), rows.rows()[i]);
}

TEST(SegmentDamage, header_and_footer_stand_in_for_each_other) {
  SegmentRig rig;
  auto entries = small_segment();
  auto info = rig.write(entries);
  rig.disk.flip(rig.path(1), 20, std::byte{1});
  EXPECT_EQ(*SegmentFiles(rig.disk, rig.dir).load_info(1), *info) << "the header is not needed";
  EXPECT_TRUE(SegmentFiles(rig.disk, rig.dir).rebuild_info(1));
  rig.disk.flip(rig.path(1), info->file_bytes - block_bytes + 20, std::byte{1});
  EXPECT_EQ(SegmentFiles(rig.disk, rig.dir).load_info(1).error().code, Code::corrupt) << "nobody knows the salt";
  rig.disk.flip(rig.path(1), 20, std::byte{1});
  SegmentFiles files(rig.disk, rig.dir);
  auto rebuilt = files.load_info(1);
  ASSERT_TRUE(rebuilt);
  EXPECT_EQ(rebuilt->purged_to, Jsn{0});
  EXPECT_EQ(unanswered(files, *rebuilt, entries), 0u);
}

TEST(SegmentDamage, a_newer_version_is_refused_and_not_taken_for_damage) {
  SegmentRig rig;
  auto info = rig.write(small_segment());
  auto bytes = rig.disk.content(rig.path(1));
  auto file = rig.disk.open(rig.path(1), world::Open::write);
  for (auto at : {std::uint64_t{0}, info->file_bytes - block_bytes}) {
    auto block = bytes.substr(at, block_bytes);
    block[12] = 2;
    auto crc = crc32c(as_bytes(block).subspan(12));
    std::memcpy(block.data() + 8, &crc, 4);
    ASSERT_TRUE((*file)->write_at(at, as_bytes(block)));
  }
  EXPECT_EQ(SegmentFiles(rig.disk, rig.dir).load_info(1).error().code, Code::unsupported);
}

TEST(SegmentDamage, a_record_that_looks_like_an_entry_is_not_taken_for_one) {
  SegmentRig rig;
  auto real = known_entry(1, 0, 0, batch_of(1, "real"));
  auto who = rig.identity();
  std::string fake;
  for (std::uint64_t at = 0; at < 2000; ++at) {  // one that would be right at its place, but for the salt
    std::string one;
    encode_segment_entry(real.entry, who.salt + 1, block_bytes + segment_entry_bytes + 500 + fake.size(), one);
    fake += one;
  }
  auto copy = known_entry(1, 0, 0, batch_of(1, fake));
  auto behind = known_entry(1, 1, 1, batch_of(1, "behind"));
  auto info = rig.write({copy, behind}, who);
  rig.disk.flip(rig.path(who.number), block_bytes + 3, std::byte{1});
  auto scan = rig.files.scan(*info);
  ASSERT_TRUE(scan->next());
  EXPECT_EQ(scan->entry(), behind.entry);
  EXPECT_EQ(rig.files.read(*info, StreamId{1}, Offset{0}, 1).error().code, Code::corrupt);
}

TEST(SegmentDamage, a_block_that_the_disk_wrote_to_the_wrong_place_is_not_believed) {
  SegmentRig rig;
  KnownEntries entries;
  auto size = block_bytes - segment_entry_bytes - batch_of(1, std::string(4000, 'x')).size() + 4000;
  for (std::int64_t i = 0; i < 6; ++i) entries.push_back(known_entry(1, i, i, batch_of(1, std::string(size, static_cast<char>('a' + i)))));
  ASSERT_EQ(entries[0].entry.bytes(), block_bytes);
  auto info = rig.write(entries);
  auto bytes = rig.disk.content(rig.path(1));
  ASSERT_TRUE((*rig.disk.open(rig.path(1), world::Open::write))->write_at(2 * block_bytes, as_bytes(bytes).subspan(4 * block_bytes, block_bytes)));
  EXPECT_EQ(unanswered(rig.files, *info, entries), 1u);
  EXPECT_EQ(rig.files.read(*info, StreamId{1}, Offset{1}, 1).error().code, Code::corrupt);
}

TEST(SegmentDamage, a_segment_that_was_cut_gives_what_is_left) {
  SegmentRig rig;
  auto entries = small_segment();
  auto info = rig.write(entries);
  auto cut = block_bytes + (info->data_end - block_bytes) / 2;
  ASSERT_TRUE((*rig.disk.open(rig.path(1), world::Open::write))->truncate(cut));
  SegmentFiles files(rig.disk, rig.dir);
  auto left = files.load_info(1);
  ASSERT_TRUE(left);
  EXPECT_GT(left->entries, 4u);
  EXPECT_LE(left->entries, 8u);
  EXPECT_LT(unanswered(files, *left, entries), 25u);
  EXPECT_LT(unanswered(rig.files, *info, entries), 25u);
}

// ---- failures while it is made

KnownEntries two_MiB() {
  std::mt19937_64 random(9);
  KnownEntries out;
  for (std::int64_t i = 0; i < 40; ++i) out.push_back(known_entry(1 + static_cast<std::uint64_t>(i) / 10, i % 10, i % 10, batch_of(1, std::string(50'000 + random() % 5000, 'x'))));
  return out;
}

TEST(SegmentPowerCut, under_its_name_it_is_whole_whenever_the_power_goes) {
  auto entries = two_MiB();
  std::size_t cut = 0, kept_early = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed)
    for (std::uint64_t stop = 1; stop <= 14; ++stop) {
      SegmentRig rig;
      world::SimulatedDisk disk(seed * 100 + stop);
      ASSERT_TRUE(disk.make_dirs(segments_folder("data")));
      disk.stop_at_change(stop);
      Result<SegmentInfo> info = fail(Code::io, "not finished");
      if (auto writer = SegmentWriter::create(disk, "data", rig.identity())) {
        Result<void> added;
        for (auto& known : entries)
          if (added) added = (*writer)->add(known.entry, known.batch);
        if (added) info = (*writer)->finish(Jsn{77});
      }
      disk.power_loss();
      cut += !info;
      auto there = disk.exists(segment_path("data", 1));
      ASSERT_TRUE(there);
      if (info) EXPECT_TRUE(*there) << "finished, and gone";
      if (!*there) continue;
      kept_early += !info;
      SegmentFiles files(disk, "data");
      auto loaded = files.load_info(1);
      ASSERT_TRUE(loaded);
      EXPECT_FALSE(files.is_rebuilt(1)) << "not whole";
      EXPECT_EQ(loaded->purged_to, Jsn{77});
      EXPECT_EQ(unanswered(files, *loaded, entries), 0u);
      if (testing::Test::HasFailure()) return;
    }
  EXPECT_GT(cut, 100u);
  EXPECT_GT(kept_early, 0u) << "a rename that got through before its folder was synced";
}

TEST(SegmentFault, a_failing_or_full_disk_leaves_nothing_behind) {
  auto entries = two_MiB();
  for (int fault = 0; fault < 12; ++fault) {
    SegmentRig rig;
    ASSERT_TRUE(rig.disk.make_dirs(segments_folder("data")));
    auto turn = static_cast<std::uint64_t>(fault % 4) + 1;
    if (fault < 3) rig.disk.fail_write(turn);
    else if (fault < 6) rig.disk.fail_sync(turn - (turn == 4 ? 1 : 0));
    else rig.disk.limit_space(static_cast<std::uint64_t>(fault - 5) * 300'000);
    auto info = rig.write(entries);
    EXPECT_FALSE(info) << fault;
    EXPECT_EQ(info.error().code, fault < 6 ? Code::io : Code::full);
    EXPECT_TRUE(rig.disk.list(segments_folder("data"))->empty()) << fault;
    rig.disk.limit_space(0);
    EXPECT_TRUE(rig.write(entries)) << "and the next one is made";
  }
}

TEST(SegmentFault, a_writer_that_is_given_up_leaves_nothing_behind) {
  SegmentRig rig;
  {
    auto writer = SegmentWriter::create(rig.disk, rig.dir, rig.identity());
    ASSERT_TRUE((*writer)->add(known_entry(1, 0, 0, batch_of(1, "x")).entry, batch_of(1, "x")));
    EXPECT_EQ(rig.disk.list(segments_folder("data"))->size(), 1u);
  }
  EXPECT_TRUE(rig.disk.list(segments_folder("data"))->empty());
}

}  // namespace
}  // namespace tidemill::log
