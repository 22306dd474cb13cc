// One stream of keyed records, and what compaction may make of it by the naive rules; for tests.
#pragma once

#include <map>

#include "bytes/crc32c.h"
#include "bytes/cursor.h"
#include "log/compact.h"
#include "log/test_segments.h"
#include "record/rewrite.h"

namespace tidemill::log {

inline constexpr std::int16_t transactional = 0x10, control = 0x20;

struct PlainRecord {
  std::int64_t time = 0;
  std::optional<std::string> key, value;
  std::string headers;
  bool operator==(const PlainRecord&) const = default;
  bool tombstone() const { return key && !value; }
};
using PlainRecords = std::map<std::int64_t, PlainRecord>;  // by offset

inline Slice with_attributes(const Slice& batch, std::int16_t bits) {
  std::string bytes(batch.text());
  bytes[22] = static_cast<char>(bytes[22] | bits);
  auto crc = byteswap_of(crc32c(as_bytes(bytes).subspan(21)));
  std::memcpy(bytes.data() + 17, &crc, sizeof crc);
  return Slice::own(std::move(bytes));
}

inline Slice marker(std::int64_t producer, bool commit) {
  record::BatchBuilder builder;
  builder.add(1000, std::string_view(commit ? "\0\0\0\1" : "\0\0\0\0", 4), "marker");
  builder.producer(producer, 0, -1);
  return with_attributes(builder.finish(), transactional | control);
}

inline PlainRecords records_of(const Slice& batch, Offset base) {
  PlainRecords out;
  auto records = record::BatchRecords::open(batch, base);
  CHECK(records.has_value());
  record::RecordView view;
  for (;;) {
    auto more = records->next(view);
    CHECK(more.has_value(), "{}", more.error().text());
    if (!*more) return out;
    auto copy = [](std::optional<std::string_view> text) { return text ? std::optional<std::string>(*text) : std::nullopt; };
    out[view.offset] = {view.timestamp_ms, copy(view.key), copy(view.value), std::string(view.headers)};
  }
}

inline PlainRecords records_of(const KnownEntries& entries) {
  PlainRecords out;
  for (auto& known : entries) out.merge(records_of(known.batch, known.entry.base));
  return out;
}

// A batch of a few records over a few keys; some without key, some tombstones; any codec.
inline Slice random_keyed_batch(std::mt19937_64& random, std::uint64_t keys, std::int64_t time_ms) {
  record::BatchBuilder builder(static_cast<Codec>(random() % 5));
  auto count = 1 + random() % 5;
  for (std::uint64_t i = 0; i < count; ++i) {
    auto key = "key " + std::to_string(random() % keys);
    auto value = "value " + std::to_string(random());
    record::BatchBuilder::HeaderPair headers[] = {{"h", value}};
    auto kind = random() % 12;
    builder.add(time_ms + static_cast<std::int64_t>(random() % 20), kind == 0 ? std::nullopt : std::optional<std::string_view>(key),
                kind > 0 && kind < 4 ? std::nullopt : std::optional<std::string_view>(value), std::span(headers, random() % 2));
  }
  if (random() % 2) builder.producer(static_cast<std::int64_t>(random() % 4), 0, static_cast<std::int32_t>(random() % 1000));
  return builder.finish();
}

// Both passes over the entries, as a merge does it.
inline KnownEntries compact(const KnownEntries& entries, const CompactionPolicy& policy, std::int64_t now_ms, CompactionCounts* counts = nullptr) {
  Compactor compactor(policy, now_ms, {3, 4});
  do {
    for (auto& known : entries) compactor.study(known.entry, known.batch);
  } while (compactor.study_more());
  std::vector<CompactedEntry> out;
  for (auto& known : entries) CHECK(compactor.rewrite(known.entry, known.batch, out).has_value());
  compactor.finish(out);
  if (counts) *counts = compactor.counts();
  KnownEntries left;
  for (auto& entry : out) left.push_back({entry.entry, entry.batch});
  return left;
}

// The chain from the first entry's `from` to the last one's end is the same, and each header says what its batch is.
inline void expect_whole_chain(const KnownEntries& left, const KnownEntries& before) {
  ASSERT_FALSE(left.empty());
  EXPECT_EQ(left.front().entry.from, before.front().entry.from);
  EXPECT_EQ(left.back().entry.end(), before.back().entry.end());
  for (std::size_t i = 0; i < left.size(); ++i) {
    auto header = check_segment_batch(left[i].entry, left[i].batch.bytes());
    ASSERT_TRUE(header) << header.error().text();
    EXPECT_EQ(header->max_timestamp, left[i].entry.max_timestamp);
    EXPECT_LE(left[i].entry.from, left[i].entry.base);
    if (i > 0) EXPECT_EQ(left[i - 1].entry.end(), left[i].entry.from);
    auto same = std::find_if(before.begin(), before.end(), [&](auto& k) { return k.entry.base == left[i].entry.base; });
    ASSERT_NE(same, before.end());
    EXPECT_EQ(same->entry.span, left[i].entry.span);
    EXPECT_EQ(same->entry.jsn, left[i].entry.jsn);
  }
}

}  // namespace tidemill::log
