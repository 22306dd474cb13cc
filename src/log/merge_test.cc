// Merging against a model in memory: what was in the sources, without what was given up.
#include "log/merge.h"

#include <map>

#include "log/test_core_rig.h"
#include "log/test_segments.h"

namespace tidemill::log {
namespace {

struct MergeRig : SegmentRig {
  std::map<StreamId, StreamKeep> keep;
  std::uint64_t segment_bytes_max = 1ull << 30;
  std::uint64_t next_number = 1000;
  std::uint64_t steps = 0;

  static std::uint32_t class_of(StreamId stream) { return static_cast<std::uint32_t>(stream.value % 3); }

  MergeSettings settings() {
    MergeSettings out;
    out.dir = dir;
    out.level = 1;
    out.from = Jsn{1};
    out.to = Jsn{1 << 30};
    out.purged_to = Jsn{500};
    out.now_ms = 1'700'000'000'000;
    out.segment_bytes_max = segment_bytes_max;
    out.class_of = class_of;
    out.keep_of = [this](StreamId stream) { return keep.contains(stream) ? keep[stream] : StreamKeep{}; };
    out.next_number = [this] { return next_number++; };
    out.random = [state = std::uint64_t{17}]() mutable { return state = state * 6364136223846793005ull + 1442695040888963407ull; };
    return out;
  }

  Result<MergeReport> merge(std::vector<std::unique_ptr<EntrySource>> sources) {
    MergeJob job(disk, settings(), std::move(sources));
    for (steps = 0;; ++steps) {
      TRY_ASSIGN(more, job.step());
      if (!more) return job.take();
    }
  }

  std::unique_ptr<EntrySource> source(const KnownEntries& entries) {
    auto info = write(entries);
    CHECK(info.has_value());
    return segment_source(files, {*info});
  }

  // The entries of all segments, in their order, checked against what the infos say.
  std::map<StreamId, KnownEntries> content(const MergeReport& report) {
    std::map<StreamId, KnownEntries> out;
    for (auto& info : report.segments) {
      EXPECT_EQ(*files.load_info(info.number), info);
      EXPECT_EQ(info.purged_to, Jsn{500});
      EXPECT_EQ(info.level, 1u);
      auto scan = files.scan(info);
      while (scan->next()) {
        EXPECT_EQ(class_of(scan->entry().stream), info.retention_class);
        out[scan->entry().stream].push_back({scan->entry(), *scan->batch()});
      }
      EXPECT_TRUE(scan->take_damage().empty());
    }
    return out;
  }
};

std::map<StreamId, KnownEntries> by_stream(const KnownEntries& entries) {
  std::map<StreamId, KnownEntries> out;
  for (auto& known : entries) out[known.entry.stream].push_back(known);
  return out;
}

void expect_same(const std::map<StreamId, KnownEntries>& found, const std::map<StreamId, KnownEntries>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (auto& [stream, entries] : expected) {
    ASSERT_TRUE(found.contains(stream)) << stream.value;
    auto& there = found.at(stream);
    ASSERT_EQ(there.size(), entries.size()) << stream.value;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      EXPECT_EQ(there[i].entry, entries[i].entry) << stream.value << " " << i;
      EXPECT_TRUE(there[i].batch.text() == entries[i].batch.text());
    }
  }
}

// Runs from old to new: each has the next entries of some of the streams.
std::vector<KnownEntries> cut_into_runs(std::mt19937_64& random, const KnownEntries& entries, std::size_t runs) {
  std::vector<KnownEntries> out(runs);
  for (auto& [stream, known] : by_stream(entries)) {
    std::vector<std::size_t> run_of(known.size());
    for (auto& run : run_of) run = random() % runs;
    std::sort(run_of.begin(), run_of.end());
    for (std::size_t i = 0; i < known.size(); ++i) out[run_of[i]].push_back(known[i]);
  }
  std::erase_if(out, [](auto& run) { return run.empty(); });
  return out;
}

TEST(Merge, runs_become_one_without_what_was_given_up) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    std::mt19937_64 random(seed);
    MergeRig rig;
    rig.segment_bytes_max = seed % 2 ? 1ull << 30 : 60'000;
    auto entries = random_entries(random, 1 + random() % 30, 30, 40'000);
    auto expected = by_stream(entries);
    for (auto& [stream, known] : by_stream(entries)) {
      auto choice = random() % 6;
      if (choice == 0) {
        rig.keep[stream] = {Offset{0}, true};
        expected.erase(stream);
      } else if (choice <= 2) {
        auto start = known[random() % known.size()].entry.from + static_cast<std::int64_t>(random() % 4);
        rig.keep[stream] = {start, false};
        std::erase_if(expected[stream], [&](auto& k) { return k.entry.end() <= start; });
        if (expected[stream].empty()) expected.erase(stream);
      }
    }
    std::vector<std::unique_ptr<EntrySource>> sources;
    for (auto& run : cut_into_runs(random, entries, 1 + random() % 8)) sources.push_back(rig.source(run));
    auto report = rig.merge(std::move(sources));
    ASSERT_TRUE(report) << report.error().text();
    EXPECT_TRUE(report->damage.empty());
    expect_same(rig.content(*report), expected);
    for (auto& info : report->segments)
      if (info.entries > 1) EXPECT_LE(info.data_end, rig.segment_bytes_max);
    if (testing::Test::HasFailure()) FAIL() << "seed " << seed;
  }
}

TEST(Merge, a_run_of_many_segments_is_read_in_their_order) {
  std::mt19937_64 random(1);
  MergeRig rig;
  rig.segment_bytes_max = 50'000;
  auto entries = random_entries(random, 20, 60, 20'000);
  std::vector<std::unique_ptr<EntrySource>> sources;
  sources.push_back(rig.source(entries));
  auto first = rig.merge(std::move(sources));
  ASSERT_TRUE(first);
  ASSERT_GT(first->segments.size(), 10u);
  std::map<std::uint32_t, std::vector<SegmentInfo>> classes;
  for (auto& info : first->segments) classes[info.retention_class].push_back(info);
  sources.clear();
  for (auto& [number, segments] : classes) sources.push_back(segment_source(rig.files, segments));
  rig.segment_bytes_max = 1ull << 30;
  auto second = rig.merge(std::move(sources));
  ASSERT_TRUE(second);
  EXPECT_EQ(second->segments.size(), 3u);
  expect_same(rig.content(*second), by_stream(entries));
}

TEST(Merge, nothing_left_makes_no_segment) {
  MergeRig rig;
  rig.keep[StreamId{1}] = {Offset{0}, true};
  rig.keep[StreamId{2}] = {Offset{5}, false};
  std::vector<std::unique_ptr<EntrySource>> sources;
  sources.push_back(rig.source({known_entry(1, 0, 0, batch_of(1, "x")), known_entry(2, 0, 0, batch_of(5, "x"))}));
  auto report = rig.merge(std::move(sources));
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->segments.empty());
  EXPECT_EQ(rig.disk.list(segments_folder(rig.dir))->size(), 1u) << "the source only";
}

TEST(Merge, a_step_is_about_a_MiB) {
  std::mt19937_64 random(3);
  MergeRig rig;
  KnownEntries entries;
  for (std::int64_t i = 0; i < 30; ++i) entries.push_back(known_entry(1, i, i, batch_of(1, std::string(i == 7 ? 5 << 20 : 300'000, 'x'))));
  std::vector<std::unique_ptr<EntrySource>> sources;
  sources.push_back(rig.source(entries));
  auto report = rig.merge(std::move(sources));
  ASSERT_TRUE(report);
  expect_same(rig.content(*report), by_stream(entries));
  EXPECT_GT(rig.steps, report->bytes_written >> 20);
}

TEST(Merge, a_job_that_is_given_up_leaves_nothing_behind) {
  std::mt19937_64 random(4);
  for (int steps = 0; steps < 12; ++steps) {
    MergeRig rig;
    rig.segment_bytes_max = 300'000;
    KnownEntries entries;
    for (std::int64_t i = 0; i < 60; ++i) entries.push_back(known_entry(1 + static_cast<std::uint64_t>(i) / 20, i, i, batch_of(1, std::string(100'000, 'x'))));
    std::vector<std::unique_ptr<EntrySource>> sources;
    sources.push_back(rig.source(entries));
    {
      MergeJob job(rig.disk, rig.settings(), std::move(sources));
      for (int i = 0; i < steps; ++i) ASSERT_TRUE(job.step());
    }
    EXPECT_EQ(rig.disk.list(segments_folder(rig.dir))->size(), 1u) << steps;
  }
}

TEST(Merge, a_disk_that_fails_or_is_full_ends_the_job_and_leaves_the_sources) {
  for (int fault = 1; fault <= 8; ++fault) {
    MergeRig rig;
    rig.segment_bytes_max = 1 << 20;
    KnownEntries entries;
    for (std::int64_t i = 0; i < 60; ++i) entries.push_back(known_entry(1 + static_cast<std::uint64_t>(i) / 20, i, i, batch_of(1, std::string(100'000, 'x'))));
    std::vector<std::unique_ptr<EntrySource>> sources;
    sources.push_back(rig.source(entries));
    if (fault <= 3) rig.disk.fail_write(static_cast<std::uint64_t>(fault * 2));
    else if (fault <= 6) rig.disk.fail_sync(static_cast<std::uint64_t>((fault - 3) * 2));
    else rig.disk.limit_space(rig.disk.used_bytes() + static_cast<std::uint64_t>(fault - 6) * 1'500'000);
    auto report = rig.merge(std::move(sources));
    ASSERT_FALSE(report) << fault;
    EXPECT_EQ(report.error().code, fault <= 6 ? Code::io : Code::full);
    EXPECT_EQ(rig.disk.list(segments_folder(rig.dir))->size(), 1u) << fault;
  }
}

// ---- damage

TEST(Merge, what_is_damaged_is_reported_and_stays_a_gap) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    std::mt19937_64 random(seed);
    MergeRig rig;
    auto entries = random_entries(random, 6, 20, 10'000);
    auto runs = cut_into_runs(random, entries, 3);
    std::vector<std::unique_ptr<EntrySource>> sources;
    std::vector<SegmentInfo> infos;
    for (auto& run : runs) {
      infos.push_back(*rig.write(run));
      sources.push_back(segment_source(rig.files, {infos.back()}));
    }
    auto run = random() % runs.size();
    auto hit = random() % runs[run].size();
    std::uint64_t position = block_bytes;
    for (std::size_t i = 0; i < hit; ++i) position += runs[run][i].entry.bytes();
    bool header = random() % 2;
    rig.disk.flip(rig.path(infos[run].number), position + (header ? random() % 72 : 72 + 16 + random() % 40), std::byte{8});
    auto& lost = runs[run][hit].entry;

    auto report = rig.merge(std::move(sources));
    ASSERT_TRUE(report) << report.error().text();
    ASSERT_EQ(report->damage.size(), 1u) << seed;
    auto& damage = report->damage[0];
    EXPECT_EQ(damage.file, segment_name(infos[run].number));
    EXPECT_LE(std::pair(damage.first, damage.from), std::pair(lost.stream, lost.from));
    EXPECT_GE(std::pair(damage.last, damage.to), std::pair(lost.stream, lost.end()));
    if (!header) EXPECT_EQ(std::tuple(damage.from, damage.to), std::tuple(lost.from, lost.end()));
    auto expected = by_stream(entries);
    std::erase_if(expected[lost.stream], [&](auto& k) { return k.entry.base == lost.base; });
    bool last = expected[lost.stream].empty() || expected[lost.stream].back().entry.base < lost.base;
    if (expected[lost.stream].empty()) expected.erase(lost.stream);
    expect_same(rig.content(*report), expected);
    for (auto& info : report->segments) {
      if (info.retention_class != rig.class_of(lost.stream)) continue;
      auto read = rig.files.read(info, lost.stream, lost.from, 1000);
      if (last) EXPECT_TRUE(read && read->batches.empty());
      else EXPECT_EQ(read.error().code, Code::corrupt) << seed;
    }
    if (testing::Test::HasFailure()) FAIL() << "seed " << seed;
  }
}

TEST(Merge, of_two_sources_with_the_same_offsets_the_older_counts_and_it_is_said) {
  MergeRig rig;
  auto old = known_entry(1, 0, 0, batch_of(2, "old"));
  auto twice = known_entry(1, 1, 1, batch_of(3, "new"));
  auto behind = known_entry(1, 4, 4, batch_of(1, "behind"));
  std::vector<std::unique_ptr<EntrySource>> sources;
  sources.push_back(rig.source({old}));
  sources.push_back(rig.source({twice, behind}));
  auto report = rig.merge(std::move(sources));
  ASSERT_TRUE(report);
  EXPECT_EQ(report->damage.size(), 1u);
  expect_same(rig.content(*report), by_stream({old, behind}));
}

// ---- from the journal

struct Sorted {
  CoreRig core;
  std::map<StreamId, KnownEntries> expected;
  std::vector<Footer> sealed;
  std::unique_ptr<SealedFiles> files;

  void fill(std::mt19937_64& random) {
    CHECK(core.open().has_value());
    for (int i = 0; i < 150; ++i) {
      auto stream = 1 + random() % 7;
      CHECK(core.put(stream, batch_of(1 + static_cast<int>(random() % 4), std::string(random() % 9000, 'x'), 1000 + i)).has_value());
    }
    core.parts->core->stop();
    files = std::make_unique<SealedFiles>(core.disk, core.options.dir);
    auto recovered = recover(core.disk, core.options.dir, *files);
    CHECK(recovered.has_value());
    sealed = recovered->sealed;
    CHECK(sealed.size() >= 3, "{}", sealed.size());
    for (std::uint64_t s = 1; s <= 7; ++s)
      for (Offset at{0}; at < core.view().bounds(StreamId{s}).end;) {
        auto read = core.view().read(StreamId{s}, at, 1);
        CHECK(read.has_value());
        auto& batch = read->front();
        if (batch.jsn >= sealed.back().next_jsn) break;
        auto known = known_entry(s, at.value, at.value, batch.bytes, batch.jsn);
        known.entry.append_time_ms = batch.append_time_ms;
        known.entry.index = batch.index;
        known.entry.leader_epoch = batch.leader_epoch;
        at = known.entry.end();
        expected[StreamId{s}].push_back(known);
      }
  }
  std::vector<std::unique_ptr<EntrySource>> sources() {
    std::vector<std::unique_ptr<EntrySource>> out;
    for (auto& seal : sealed) out.push_back(journal_source(*files, files->current(seal)));
    return out;
  }
};

TEST(Merge, journal_files_become_a_run) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    std::mt19937_64 random(seed);
    Sorted journal;
    journal.fill(random);
    MergeRig rig;
    auto report = rig.merge(journal.sources());
    ASSERT_TRUE(report) << report.error().text();
    EXPECT_TRUE(report->damage.empty());
    expect_same(rig.content(*report), journal.expected);
  }
}

TEST(Merge, streams_of_the_journal_are_trimmed_and_forgotten_too) {
  std::mt19937_64 random(7);
  Sorted journal;
  journal.fill(random);
  MergeRig rig;
  rig.keep[StreamId{2}] = {Offset{0}, true};
  rig.keep[StreamId{3}] = {Offset{9}, false};
  auto report = rig.merge(journal.sources());
  ASSERT_TRUE(report);
  journal.expected.erase(StreamId{2});
  std::erase_if(journal.expected[StreamId{3}], [](auto& k) { return k.entry.end() <= Offset{9}; });
  expect_same(rig.content(*report), journal.expected);
}

TEST(Merge, a_damaged_batch_of_the_journal_is_reported_and_stays_a_gap) {
  std::mt19937_64 random(8);
  Sorted journal;
  journal.fill(random);
  auto row = journal.files->row<BatchRow>(journal.sealed[1], 3);
  auto group = journal.files->row<GroupRow>(journal.sealed[1], row->group);
  journal.core.disk.flip(journal.core.file(journal.sealed[1].number), group->position + row->at + 30, std::byte{1});
  MergeRig rig;
  auto report = rig.merge(journal.sources());
  ASSERT_TRUE(report);
  ASSERT_EQ(report->damage.size(), 1u);
  EXPECT_EQ(report->damage[0].file, journal_name(journal.sealed[1].number));
  EXPECT_EQ(report->damage[0].first, row->stream);
  EXPECT_EQ(report->damage[0].from, row->base);
  EXPECT_EQ(report->damage[0].to, row->end());
  std::erase_if(journal.expected[row->stream], [&](auto& k) { return k.entry.base == row->base; });
  expect_same(rig.content(*report), journal.expected);
}

TEST(Merge, a_bad_seal_ends_the_job_and_once_it_is_made_again_the_next_one_goes_through) {
  std::mt19937_64 random(9);
  Sorted journal;
  journal.fill(random);
  auto& seal = journal.sealed[1];
  journal.files = std::make_unique<SealedFiles>(journal.core.disk, journal.core.options.dir);
  journal.core.disk.flip(journal.core.file(seal.number), seal.table(PageKind::batches).position + 50, std::byte{1});
  MergeRig rig;
  auto failed = rig.merge(journal.sources());
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::corrupt);
  EXPECT_EQ(journal.files->take_bad(), std::vector<std::uint64_t>{seal.number});
  EXPECT_EQ(rig.disk.used_bytes(), 0u) << "nothing was left behind";
  ASSERT_TRUE(rebuild_seal(*journal.files, journal.sealed[1]));
  auto report = rig.merge(journal.sources());
  ASSERT_TRUE(report) << report.error().text();
  expect_same(rig.content(*report), journal.expected);
}

}  // namespace
}  // namespace tidemill::log
