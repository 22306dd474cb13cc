// What a scrub finds: nothing where nothing is wrong, and every bit that matters, wherever it flips.
#include "log/scrub.h"

#include <gtest/gtest.h>

#include <fmt/core.h>

#include <random>

#include "log/offset_chains.h"
#include "log/scan.h"
#include "log/test_core_rig.h"

namespace tidemill::log {
namespace {

using Stretch = std::pair<std::uint64_t, std::uint64_t>;  // [from, to) of a file
using Stretches = std::vector<Stretch>;

// A log with everything: segments of two levels, a checkpoint, sealed files that are not sorted, an open one, a spare; three lives.
struct ScrubRig : CoreRig {
  std::vector<Finding> findings;
  std::mt19937_64 random{7};
  std::uint64_t below(std::uint64_t n) { return random() % n; }

  ScrubRig() {
    options.journal_file_bytes = 40 * block_bytes;
    options.group_bytes_max = 8 * block_bytes;
    keeping.sort_bytes = 2 * options.journal_file_bytes;
    keeping.segment_bytes_max = 30 * block_bytes;
    keeping.merge_runs = 3;
  }

  void fill() {
    for (int life = 0; life < 3; ++life) {
      ASSERT_TRUE(open());
      for (int i = 0; i < 500; ++i) {
        ASSERT_TRUE(put(below(7), batch_of(1 + static_cast<int>(below(3)), std::string(below(900), 'v'), 1000 + i)));
        if (i % 100 == 50) ASSERT_TRUE(trim());
        if (i % 20 == 0) make_spare();
      }
      if (life == 2) keeping.sort_bytes = 1u << 30;
      close();
    }
    // Some that are sealed and stay so.
    ASSERT_TRUE(open());
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(put(static_cast<std::uint64_t>(i % 3), idempotent(2, 5 + i % 3, 0, 2 * (i / 3), std::string(below(1500), 'w'))));
    close();
  }
  Result<Appended> trim() {
    Append append;
    append.marks.push_back({Mark::Kind::trim, StreamId{3}, view().bounds(StreamId{3}).end - 1});
    return put(std::move(append));
  }
  void close() {
    go_idle();
    go_idle();
    parts.reset();
    disk.kill();
  }

  Result<ScrubReport> scrub() {
    findings.clear();
    return log::scrub(disk, options.dir, {[this](auto& finding) { findings.push_back(finding); }});
  }
  bool found_in(const std::string& file) const {
    return std::any_of(findings.begin(), findings.end(), [&](auto& f) { return f.kind == Finding::Kind::damage && f.file == file; });
  }
  std::vector<std::string> files() {
    std::vector<std::string> all;
    for (auto folder : {"journal", "segments"})
      for (auto& name : *disk.list(options.dir + "/" + folder)) all.push_back(std::string(folder) + "/" + name);
    return all;
  }

  // ---- which bytes mean something

  Stretches journal_meaning(std::uint64_t number) {
    auto file = *disk.open(this->file(number), world::Open::read);
    auto content = disk.content(this->file(number));
    auto header = *decode_file_header(as_bytes(content).first(block_bytes));
    Stretches all{{0, block_bytes}};
    FileScan scan(*file, content.size(), header.salt);
    auto position = block_bytes;
    for (auto group = scan.at(position); group; group = scan.at(position)) {
      all.emplace_back(position, position + group->group.header.length);
      position = group->end();
    }
    auto footer = decode_footer(as_bytes(content).subspan(content.size() - block_bytes));
    if (footer && footer->salt == header.salt && footer->data_end == position) {
      std::uint64_t pages = pages_for<BatchRow>(footer->tables[0].rows) + pages_for<GroupRow>(footer->tables[1].rows) + pages_for<StreamRow>(footer->tables[2].rows) +
                            pages_for<ProducerRow>(footer->tables[3].rows);
      all.emplace_back(position, position + pages * block_bytes);
      all.emplace_back(content.size() - block_bytes, content.size());
    } else {
      if (all.size() > 1) all.pop_back();  // nothing behind it says that it was durable: a torn tail looks the same
    }
    return all;
  }

  Stretches segment_meaning(std::uint64_t number) {
    auto content = disk.content(segment_path(options.dir, number));
    auto info = *decode_segment_footer(as_bytes(content).subspan(content.size() - block_bytes), content.size());
    Stretches all{{0, block_bytes}, {info.index.position, content.size()}};
    for (auto position = block_bytes; position < info.data_end;) {
      auto entry = *decode_segment_entry(as_bytes(content).subspan(position), info.salt, position);
      auto batch = position + segment_entry_bytes;
      all.emplace_back(position, batch);
      all.emplace_back(batch + 8, batch + 12);  // not the base offset before it, nor the leader epoch behind it
      all.emplace_back(batch + 16, position + entry.bytes());
      position += entry.bytes();
    }
    return all;
  }

  Stretches meaning(const std::string& file) {
    auto name = file.substr(file.find('/') + 1);
    if (auto number = number_of_journal_name(name)) return journal_meaning(*number);
    if (auto number = number_of_segment_name(name)) return segment_meaning(*number);
    return {{0, disk.content(options.dir + "/" + file).size()}};
  }
};

bool holds(const Stretches& all, std::uint64_t position) {
  return std::any_of(all.begin(), all.end(), [&](auto& s) { return s.first <= position && position < s.second; });
}

struct Scrub : testing::Test, ScrubRig {
  void SetUp() override { fill(); }
};

TEST_F(Scrub, a_log_that_is_whole_is_clean) {
  auto report = scrub();
  ASSERT_TRUE(report) << report.error().text();
  for (auto& f : findings) ADD_FAILURE() << f.file << " " << f.position << " " << f.what;
  EXPECT_EQ(report->damage, 0u);
  EXPECT_GT(report->segments, 1u);
  EXPECT_GT(report->journal_files, 2u);
  EXPECT_EQ(report->streams, 7u);
  EXPECT_TRUE(*disk.exists(checkpoint_path(options.dir)));
}

TEST_F(Scrub, every_flipped_bit_that_means_something_is_found) {
  auto all = files();
  std::map<std::string, int> mattered;
  int silent = 0;
  std::map<std::string, Stretches> meanings;
  for (auto& file : all) meanings[file] = meaning(file);
  for (int i = 0; i < 600; ++i) {
    auto& file = all[below(all.size())];
    auto path = options.dir + "/" + file;
    auto& stretches = meanings[file];
    auto position = below(disk.content(path).size());
    if (below(2) == 0) {  // small structures as well
      auto& stretch = stretches[below(stretches.size())];
      position = stretch.first + below(stretch.second - stretch.first);
    }
    auto mask = static_cast<std::byte>(1u << below(8));
    disk.flip(path, position, mask);
    auto report = scrub();
    ASSERT_TRUE(report) << report.error().text();
    if (holds(stretches, position)) {
      EXPECT_TRUE(found_in(file)) << file << " at " << position << (findings.empty() ? "" : findings[0].file + ": " + findings[0].what);
      ++mattered[file.substr(file.rfind('.') + 1)];
    } else {
      EXPECT_EQ(report->damage, 0u) << file << " at " << position << ": " << (findings.empty() ? "" : findings[0].what);
      ++silent;
    }
    disk.flip(path, position, mask);
    if (HasFailure()) return;
  }
  for (auto kind : {"journal", "segment", "segments/manifest", "segments/checkpoint"}) EXPECT_GT(mattered[kind], 10) << kind;
  EXPECT_GT(silent, 10);
}

TEST_F(Scrub, a_file_that_is_missing_is_named_with_what_it_held) {
  for (auto& file : files()) {
    if (!file.ends_with(".segment")) continue;
    ASSERT_TRUE(disk.remove(options.dir + "/" + file));
    auto report = scrub();
    ASSERT_TRUE(report);
    EXPECT_TRUE(found_in(file));
    EXPECT_TRUE(std::any_of(findings.begin(), findings.end(), [](auto& f) { return !f.lost.empty(); })) << "no offsets are named";
    return;
  }
  FAIL() << "no segment";
}

TEST_F(Scrub, files_that_were_put_aside_or_belong_to_nobody_are_told) {
  ASSERT_TRUE(disk.open("data/journal/0000000000000001.journal.damaged", world::Open::create));
  ASSERT_TRUE(disk.open("data/segments/shopping list", world::Open::create));
  auto report = scrub();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->damage, 1u);
  EXPECT_EQ(report->notes, 1u);
}

TEST_F(Scrub, a_manifest_that_is_bad_twice_does_not_keep_the_rest_from_being_read) {
  for (auto at : {std::uint64_t{100}, disk.content(manifest_path("data")).size() / 2 + 100}) disk.flip(manifest_path("data"), at, std::byte{1});
  auto report = scrub();
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_TRUE(found_in("segments/manifest"));
  EXPECT_GT(report->segments, 1u);
}

TEST_F(Scrub, nothing_is_written) {
  std::map<std::string, std::string> before;
  for (auto& file : files()) before[file] = disk.content(options.dir + "/" + file);
  ASSERT_TRUE(scrub());
  for (auto& file : files()) EXPECT_TRUE(before[file] == disk.content(options.dir + "/" + file)) << file;
  EXPECT_EQ(before.size(), files().size());
}

TEST(OffsetChains, parts_in_any_order_leave_exactly_what_is_missing) {
  OffsetChains chains;
  StreamId s{1};
  EXPECT_TRUE(chains.add({s, Offset{10}, Offset{20}}));
  EXPECT_TRUE(chains.add({s, Offset{0}, Offset{5}}));
  EXPECT_TRUE(chains.add({s, Offset{20}, Offset{30}}));
  EXPECT_FALSE(chains.add({s, Offset{19}, Offset{21}}));
  std::vector<std::pair<std::int64_t, std::int64_t>> missing;
  chains.missing(s, Offset{2}, Offset{40}, [&](const OffsetRange& r) { missing.emplace_back(r.from.value, r.to.value); });
  EXPECT_EQ(missing, (std::vector<std::pair<std::int64_t, std::int64_t>>{{5, 10}, {30, 40}}));
  EXPECT_TRUE(chains.add({s, Offset{5}, Offset{10}}));
  chains.missing(s, Offset{0}, Offset{30}, [&](const OffsetRange&) { ADD_FAILURE(); });
}

}  // namespace
}  // namespace tidemill::log
