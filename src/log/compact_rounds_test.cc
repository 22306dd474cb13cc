// The life of a compacted stream: runs come, runs next to each other are merged and compacted, time goes by, disks go bad. Whoever
// reads it from the start must always see the same table.
#include "log/merge.h"
#include "log/test_compaction.h"

namespace tidemill::log {
namespace {

constexpr std::int64_t retention_ms = 1000;

struct Run {
  std::vector<SegmentInfo> segments;
};

struct Life {
  explicit Life(std::uint64_t seed) : random(seed) {}
  std::mt19937_64 random;
  SegmentRig rig;
  std::vector<Run> runs;
  PlainRecords written;
  std::map<std::int64_t, std::int64_t> clean_since;  // tombstones that a merge from the start has kept
  std::int64_t end = 0;
  std::int64_t now = 100'000;
  std::uint64_t records_removed = 0, tombstones_gone = 0;
  static constexpr StreamId stream{4};

  void append_run() {
    KnownEntries entries;
    entries.push_back(known_entry(3, 0, 0, batch_of(1, "another stream")));
    for (auto left = 1 + random() % 12; left > 0; --left) {
      entries.push_back(known_entry(stream.value, end, end, random_keyed_batch(random, 12, now)));
      written.merge(records_of(entries.back().batch, Offset{end}));
      end = entries.back().entry.end().value;
    }
    auto who = rig.identity();
    auto info = rig.write(entries, who);
    CHECK(info.has_value());
    runs.push_back({{*info}});
  }

  MergeSettings settings(bool from_start) {
    MergeSettings out;
    out.dir = rig.dir;
    out.from = Jsn{1};
    out.to = Jsn{1 << 30};
    out.now_ms = now;
    out.segment_bytes_max = random() % 2 ? 1ull << 30 : 2'000;
    out.class_of = [](StreamId) { return 1u; };
    out.keep_of = [](StreamId s) { return StreamKeep{Offset{0}, s != stream}; };
    CompactionPolicy policy{.from_start = from_start, .delete_retention_ms = retention_ms};
    policy.keys_max = random() % 2 ? 1 << 20 : 3;
    out.compaction_of = [policy](StreamId) { return std::optional(policy); };
    out.next_number = [this] { return ++rig.last_number; };
    out.random = [this] { return random(); };
    return out;
  }

  void merge_some() {
    auto first = random() % 2 ? 0 : random() % runs.size();
    auto count = 1 + random() % (runs.size() - first);
    std::vector<std::unique_ptr<EntrySource>> sources;
    for (auto i = first; i < first + count; ++i) sources.push_back(segment_source(rig.files, runs[i].segments));
    auto before = read();
    MergeJob job(rig.disk, settings(first == 0), std::move(sources));
    for (;;) {
      auto more = job.step();
      ASSERT_TRUE(more) << more.error().text();
      if (!*more) break;
    }
    auto report = job.take();
    EXPECT_TRUE(report.damage.empty());
    records_removed += report.compaction.records_removed;
    for (auto i = first; i < first + count; ++i)
      for (auto& info : runs[i].segments) rig.files.forget(info.number);
    runs.erase(runs.begin() + static_cast<std::ptrdiff_t>(first) + 1, runs.begin() + static_cast<std::ptrdiff_t>(first + count));
    runs[first] = {report.segments};
    check_tombstones(before, read(), first == 0, report);
  }

  // As a reader goes over the tiers: each answer begins where the last one ended.
  PlainRecords read() {
    PlainRecords out;
    std::size_t tier = 0;
    std::vector<SegmentInfo> tiers;
    for (auto& run : runs) tiers.insert(tiers.end(), run.segments.begin(), run.segments.end());
    for (Offset at{0}; at < Offset{end};) {
      if (tier == tiers.size()) {
        ADD_FAILURE() << "the chain ends at " << at.value << " of " << end;
        return out;
      }
      auto read = rig.files.read(tiers[tier], stream, at, 1 + random() % 2000);
      EXPECT_TRUE(read) << read.error().text();
      if (!read) return out;
      for (auto& found : read->batches) {
        out.merge(records_of(found.batch.bytes, found.batch.base));
        at = found.end;
      }
      if (!read->more) ++tier;
    }
    return out;
  }

  void check_tombstones(const PlainRecords& before, const PlainRecords& after, bool from_start, const MergeReport& report) {
    std::map<std::string, std::int64_t> last;
    for (auto& [offset, record] : before)
      if (record.key) last[*record.key] = offset;
    auto merged_to = Offset{0};
    for (auto& info : report.segments) {
      auto scan = rig.files.scan(info);
      while (scan->next()) merged_to = std::max(merged_to, scan->entry().end());
    }
    for (auto& [offset, record] : before) {
      if (after.contains(offset)) {
        if (from_start && record.tombstone() && Offset{offset} < merged_to) clean_since.try_emplace(offset, now);
        continue;
      }
      ASSERT_TRUE(record.key) << "a record without a key is gone";
      if (last[*record.key] != offset) continue;
      ASSERT_TRUE(record.tombstone()) << "the last value of a key is gone";
      ASSERT_TRUE(clean_since.contains(offset)) << "a tombstone is gone that no merge from the start had kept";
      ASSERT_GE(now, clean_since[offset] + retention_ms) << "a tombstone is gone too early";
      ++tombstones_gone;
    }
  }

  void check() {
    auto found = read();
    std::map<std::string, std::string> expected, table;
    for (auto& [offset, record] : written) {
      if (record.key && record.value) expected[*record.key] = *record.value;
      else if (record.key) expected.erase(*record.key);
    }
    for (auto& [offset, record] : found) {
      ASSERT_TRUE(written.contains(offset));
      EXPECT_EQ(record, written[offset]) << offset;
      if (record.key && record.value) table[*record.key] = *record.value;
      else if (record.key) table.erase(*record.key);
    }
    EXPECT_EQ(table, expected);
  }
};

TEST(CompactRounds, a_reader_always_sees_the_same_table) {
  std::uint64_t removed = 0, tombstones = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Life life(seed);
    life.append_run();
    for (int round = 0; round < 25; ++round) {
      life.now += static_cast<std::int64_t>(life.random() % 800);
      if (life.random() % 2) life.append_run();
      else life.merge_some();
      life.check();
      if (testing::Test::HasFailure()) FAIL() << "seed " << seed << ", round " << round;
    }
    removed += life.records_removed;
    tombstones += life.tombstones_gone;
  }
  EXPECT_GT(removed, 1000u);
  EXPECT_GT(tombstones, 100u) << "a test in which no tombstone ever goes proves nothing";
}

}  // namespace
}  // namespace tidemill::log
