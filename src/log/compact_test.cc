// Compaction of one stream against the naive rules.
#include "log/test_compaction.h"

namespace tidemill::log {
namespace {

constexpr std::int64_t now = 10'000'000;

struct Stream {
  KnownEntries entries;
  std::int64_t end = 0;
  void add(Slice batch) {
    entries.push_back(known_entry(1, end, end, std::move(batch), Jsn{static_cast<std::uint64_t>(entries.size()) + 1}));
    end = entries.back().entry.end().value;
  }
  void add(std::optional<std::string_view> key, std::optional<std::string_view> value, std::int64_t producer = -1, std::int16_t attributes = 0, std::int64_t time = 1000) {
    record::BatchBuilder builder;
    builder.add(time, key, value);
    if (producer >= 0) builder.producer(producer, 0, static_cast<std::int32_t>(end));
    add(with_attributes(builder.finish(), attributes));
  }
};

std::vector<std::int64_t> offsets(const KnownEntries& entries) {
  std::vector<std::int64_t> out;
  for (auto& [offset, record] : records_of(entries)) out.push_back(offset);
  return out;
}
using Offsets = std::vector<std::int64_t>;

Stream random_stream(std::mt19937_64& random) {
  Stream stream;
  auto keys = 1 + random() % 30;
  for (auto left = 1 + random() % 80; left > 0; --left) stream.add(random_keyed_batch(random, keys, static_cast<std::int64_t>(1000 + random() % 1000)));
  return stream;
}

TEST(Compact, what_stays_is_what_the_naive_rules_leave) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random(seed);
    auto stream = random_stream(random);
    CompactionPolicy policy;
    policy.from_start = random() % 2;
    if (random() % 2) policy.cleanable_to = Offset{static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(stream.end + 1))};
    if (random() % 3 == 0) policy.min_lag_ms = now - 1500;
    policy.keys_max = random() % 2 ? 1 << 20 : 1 + random() % 5;

    auto stop = stream.end;
    for (auto& known : stream.entries)
      if (known.entry.end() > policy.cleanable_to || (policy.min_lag_ms > 0 && known.entry.max_timestamp > now - policy.min_lag_ms)) stop = std::min(stop, known.entry.base.value);
    std::map<std::string, std::int64_t> last;
    auto all = records_of(stream.entries);
    for (auto& [offset, record] : all)
      if (record.key && offset < stop) last[*record.key] = offset;
    auto expected = all;
    std::erase_if(expected, [&](auto& r) { return r.first < stop && r.second.key && last[*r.second.key] != r.first; });

    CompactionCounts counts;
    auto left = compact(stream.entries, policy, now, &counts);
    EXPECT_EQ(records_of(left), expected) << seed;
    EXPECT_EQ(counts.records_removed, all.size() - expected.size());
    expect_whole_chain(left, stream.entries);
    for (auto& known : left) {  // a horizon is written where tombstones stay, and only by a merge from the start
      auto header = *record::read_header(known.batch.bytes());
      auto records = records_of(known.batch, known.entry.base);
      bool tombstones = std::any_of(records.begin(), records.end(), [](auto& r) { return r.second.tombstone(); });
      auto wanted = tombstones && policy.from_start && known.entry.base < Offset{stop} ? std::optional(now + policy.delete_retention_ms) : std::nullopt;
      EXPECT_EQ(record::delete_horizon(header), wanted) << seed;
    }
    // Nothing is left to do, and doing it again changes nothing but the empty batch at the end, which nobody is behind.
    auto again = compact(left, policy, now);
    EXPECT_EQ(records_of(again), expected) << seed;
    if (testing::Test::HasFailure()) FAIL() << "seed " << seed;
  }
}

TEST(Compact, a_stream_without_duplicates_is_left_byte_by_byte) {
  Stream stream;
  for (int i = 0; i < 10; ++i) stream.add("key " + std::to_string(i), "v");
  auto left = compact(stream.entries, {.from_start = true}, now);
  ASSERT_EQ(left.size(), 10u);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_TRUE(left[i].batch.text() == stream.entries[i].batch.text());
}

TEST(Compact, a_tombstone_stays_until_its_horizon_and_hides_what_is_older_all_the_time) {
  Stream stream;
  stream.add("a", "old");
  stream.add("b", "x");
  stream.add("a", std::nullopt);
  stream.add("c", "x");
  CompactionPolicy policy{.from_start = true, .delete_retention_ms = 1000};
  auto first = compact(stream.entries, policy, now);
  EXPECT_EQ(offsets(first), (Offsets{1, 2, 3}));
  EXPECT_EQ(first[1].entry.from, Offset{2}) << "the neighbour answers for the first record";
  EXPECT_EQ(first[0].entry.from, Offset{0});
  auto too_early = compact(first, policy, now + 999);
  EXPECT_EQ(offsets(too_early), (Offsets{1, 2, 3})) << "the horizon does not move, and has not come";
  auto not_from_start = policy;
  not_from_start.from_start = false;
  EXPECT_EQ(offsets(compact(too_early, not_from_start, now + 1000)), (Offsets{1, 2, 3}));
  auto gone = compact(too_early, policy, now + 1000);
  EXPECT_EQ(offsets(gone), (Offsets{1, 3}));
  expect_whole_chain(gone, stream.entries);
}

TEST(Compact, a_tombstone_of_a_newer_run_does_not_go_before_what_it_hides) {
  Stream stream;
  stream.add("a", std::nullopt);
  stream.add("b", "x");
  CompactionPolicy policy{.from_start = false, .delete_retention_ms = 0};
  auto left = compact(compact(stream.entries, policy, now), policy, now + 1'000'000);
  EXPECT_EQ(offsets(left), (Offsets{0, 1})) << "the value that it hides may lie in an older run";
}

TEST(Compact, retention_for_ever_does_not_overflow) {
  Stream stream;
  stream.add("a", std::nullopt);
  constexpr auto most = std::numeric_limits<std::int64_t>::max();
  auto left = compact(stream.entries, {.from_start = true, .delete_retention_ms = most}, now);
  EXPECT_EQ(record::delete_horizon(*record::read_header(left[0].batch.bytes())), most);
  EXPECT_EQ(offsets(compact(stream.entries, {.from_start = true, .min_lag_ms = most}, now)), (Offsets{0}));
}

TEST(Compact, young_records_are_not_touched_and_hide_nothing) {
  Stream stream;
  stream.add("a", "1");
  stream.add("a", "2");
  stream.add("a", "3", -1, 0, now - 10);
  stream.add("a", "4");  // behind a young one, so not clean either
  EXPECT_EQ(offsets(compact(stream.entries, {.min_lag_ms = 100}, now)), (Offsets{1, 2, 3}));
  EXPECT_EQ(offsets(compact(stream.entries, {.cleanable_to = Offset{1}}, now)), (Offsets{0, 1, 2, 3}));
  EXPECT_EQ(offsets(compact(stream.entries, {}, now)), (Offsets{3}));
}

TEST(Compact, the_last_batch_of_a_producer_stays_without_records) {
  Stream stream;
  stream.add("a", "1", 7);
  stream.add("a", "2", 7);
  stream.add("a", "3", 8);
  stream.add("a", "4");
  auto left = compact(stream.entries, {}, now);
  EXPECT_EQ(offsets(left), (Offsets{3}));
  ASSERT_EQ(left.size(), 3u);
  EXPECT_EQ(left[0].entry.base, Offset{1});
  EXPECT_EQ(left[0].entry.from, Offset{0});
  auto header = *record::read_header(left[0].batch.bytes());
  EXPECT_EQ(std::tuple(header.records_count, header.producer_id, header.base_sequence), std::tuple(0, 7, 1));
  EXPECT_EQ(record::read_header(left[1].batch.bytes())->producer_id, 8);
  auto forgotten = compact(left, {.producer_is_known = [](ProducerId id) { return id != ProducerId{7}; }}, now);
  ASSERT_EQ(forgotten.size(), 2u) << "once nobody knows the producer";
  EXPECT_EQ(forgotten[0].entry.base, Offset{2});
  expect_whole_chain(forgotten, stream.entries);
}

TEST(Compact, the_newest_batch_stays_without_records_so_that_the_chain_goes_on) {
  Stream stream;
  stream.add("a", "1");
  stream.add("a", std::nullopt);
  CompactionPolicy policy{.from_start = true, .delete_retention_ms = 0};
  auto left = compact(compact(stream.entries, policy, now), policy, now + 1);
  ASSERT_EQ(left.size(), 1u);
  EXPECT_TRUE(offsets(left).empty());
  expect_whole_chain(left, stream.entries);
}

TEST(Compact, the_chain_never_closes_over_a_gap) {
  Stream stream;
  for (auto value : {"1", "2", "3", "4", "5"}) stream.add("a", value);
  auto damaged = stream.entries;
  damaged.erase(damaged.begin() + 2);
  auto left = compact(damaged, {}, now);
  ASSERT_EQ(left.size(), 2u);
  EXPECT_EQ(std::tuple(left[0].entry.from, left[0].entry.end()), std::tuple(Offset{0}, Offset{2}));
  EXPECT_EQ(std::tuple(left[1].entry.from, left[1].entry.end()), std::tuple(Offset{3}, Offset{5}));
  EXPECT_EQ(offsets(left), (Offsets{4}));
}

// ---- transactions

TEST(Compact, an_aborted_record_hides_nothing_and_goes) {
  Stream stream;
  stream.add("a", "committed before");
  stream.add("a", "aborted", 5, transactional);
  stream.add("b", "aborted", 5, transactional);
  stream.add("c", "committed", 6, transactional);
  stream.add(marker(5, false));
  stream.add(marker(6, true));
  stream.add("d", "plain");
  for (std::size_t keys_max : {1u << 20, 1u}) {
    auto left = compact(stream.entries, {.keys_max = keys_max}, now);
    EXPECT_EQ(offsets(left), (Offsets{0, 3, 4, 5, 6}));
    expect_whole_chain(left, stream.entries);
  }
}

TEST(Compact, a_transaction_hides_what_is_older_than_its_records_and_not_what_is_older_than_its_marker) {
  Stream stream;
  stream.add("a", "1");
  stream.add("a", "2", 5, transactional);
  stream.add("a", "3");
  stream.add(marker(5, true));
  for (std::size_t keys_max : {1u << 20, 1u}) EXPECT_EQ(offsets(compact(stream.entries, {.keys_max = keys_max}, now)), (Offsets{2, 3}));
}

TEST(Compact, a_transaction_that_has_not_ended_stops_it) {
  Stream stream;
  stream.add("a", "1");
  stream.add("a", "2");
  stream.add("b", "open", 5, transactional);
  stream.add("b", "plain");
  stream.add("b", "plain again");
  EXPECT_EQ(offsets(compact(stream.entries, {}, now)), (Offsets{1, 2, 3, 4}));
}

// ---- what cannot be decoded

TEST(Compact, a_batch_that_cannot_be_decoded_stays_as_it_is) {
  Stream stream;
  stream.add("a", "1");
  record::BatchBuilder builder;
  builder.add(1000, "a", "x");
  stream.add(with_attributes(builder.finish(), 4));  // says zstd, and is not
  stream.add("a", "2");
  auto left = compact(stream.entries, {}, now);
  ASSERT_EQ(left.size(), 2u);
  EXPECT_TRUE(left[0].batch.text() == stream.entries[1].batch.text());
  EXPECT_EQ(left[0].entry.from, Offset{0});
}

TEST(Compact, a_batch_that_was_unreadable_at_first_does_not_confuse_the_others) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    std::mt19937_64 random(seed);
    auto stream = random_stream(random);
    Compactor compactor({}, now, {1, 2});
    auto unread = random() % stream.entries.size();
    for (std::size_t i = 0; i < stream.entries.size(); ++i)
      if (i != unread) compactor.study(stream.entries[i].entry, stream.entries[i].batch);
    EXPECT_FALSE(compactor.study_more());
    std::vector<CompactedEntry> out;
    KnownEntries left;
    for (auto& known : stream.entries) ASSERT_TRUE(compactor.rewrite(known.entry, known.batch, out));
    compactor.finish(out);
    for (auto& entry : out) left.push_back({entry.entry, entry.batch});
    expect_whole_chain(left, stream.entries);
    auto all = records_of(stream.entries), kept = records_of(left), unread_ones = records_of(stream.entries[unread].batch, stream.entries[unread].entry.base);
    std::map<std::string, std::int64_t> last;
    for (auto& [offset, record] : all)
      if (record.key && !unread_ones.contains(offset)) last[*record.key] = offset;
    for (auto& [offset, record] : all) EXPECT_EQ(kept.contains(offset), !record.key || unread_ones.contains(offset) || last[*record.key] == offset);
  }
}

}  // namespace
}  // namespace tidemill::log
