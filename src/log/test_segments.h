// Segments on a simulated disk, and what is known to be in them; for tests.
#pragma once

#include <gtest/gtest.h>

#include <random>

#include "base/check.h"
#include "log/segment_files.h"
#include "log/segment_writer.h"
#include "log/test_batches.h"
#include "world/simulated_disk.h"

namespace tidemill::log {

struct KnownEntry {
  SegmentEntry entry;
  Slice batch;
};
using KnownEntries = std::vector<KnownEntry>;

inline KnownEntry known_entry(std::uint64_t stream, std::int64_t from, std::int64_t base, Slice batch, Jsn jsn = Jsn{5}) {
  auto header = record::validate_stored_batch(batch.bytes());
  CHECK(header.has_value());
  SegmentEntry entry{.length = static_cast<std::uint32_t>(batch.size()),
                     .stream = StreamId{stream},
                     .base = Offset{base},
                     .from = Offset{from},
                     .jsn = jsn,
                     .max_timestamp = header->max_timestamp,
                     .append_time_ms = 1'700'000'000'000 + static_cast<std::int64_t>(jsn.value),
                     .index = 3,
                     .span = static_cast<std::uint32_t>(header->last_offset_delta) + 1,
                     .leader_epoch = 2};
  return {entry, std::move(batch)};
}

// Streams of a few entries or many, small and large ones, with times that go up and down and places where compaction took something.
inline KnownEntries random_entries(std::mt19937_64& random, std::uint64_t streams, std::size_t entries_max, std::size_t value_bytes_max) {
  KnownEntries out;
  std::uint64_t stream = 0, jsn = 1;
  for (std::uint64_t s = 0; s < streams; ++s) {
    stream += 1 + random() % 3;
    std::int64_t end = random() % 2 ? 0 : static_cast<std::int64_t>(random() % 1000);
    for (auto left = 1 + random() % entries_max; left > 0; --left) {
      auto base = end + (random() % 5 == 0 ? static_cast<std::int64_t>(random() % 7) : 0);
      auto size = random() % 40 == 0 ? value_bytes_max : random() % (value_bytes_max / 20 + 1);
      auto batch = batch_of(1 + static_cast<int>(random() % 4), std::string(size, static_cast<char>('a' + random() % 26)),
                            1000 + static_cast<std::int64_t>(random() % 500));
      out.push_back(known_entry(stream, end, base, std::move(batch), Jsn{jsn++}));
      end = out.back().entry.end().value;
    }
  }
  return out;
}

struct SegmentRig {
  world::SimulatedDisk disk{1};
  std::string dir = "data";
  SegmentFiles files{disk, dir};
  std::uint64_t last_number = 0;

  SegmentIdentity identity() {
    return {.number = ++last_number, .salt = 0x5a17 + last_number * 0x9E3779B97F4A7C15ull, .retention_class = 31, .level = 0, .from = Jsn{1}, .to = Jsn{1 << 30},
            .created_ms = 1'700'000'000'000};
  }
  std::string path(std::uint64_t number) const { return segment_path(dir, number); }

  Result<SegmentInfo> write(const KnownEntries& entries) { return write(entries, identity()); }
  Result<SegmentInfo> write(const KnownEntries& entries, const SegmentIdentity& who) {
    TRY_ASSIGN(writer, SegmentWriter::create(disk, dir, who));
    for (auto& known : entries) TRY(writer->add(known.entry, known.batch));
    return writer->finish(Jsn{77});
  }
};

// A batch without its base offset and leader epoch, which mean nothing (a reader gets others) and are under no checksum.
inline std::string meaning(const Slice& batch) { return std::string(batch.text().substr(8, 4)) + std::string(batch.text().substr(16)); }

// What is read must be the known entries from the one that answers for `from` on; returns where the answer ends.
inline Offset expect_chain(const SegmentRead& read, const KnownEntries& entries, StreamId stream, Offset from) {
  for (auto& found : read.batches) {
    auto known = std::find_if(entries.begin(), entries.end(), [&](auto& k) { return k.entry.stream == stream && k.entry.end() > from; });
    EXPECT_NE(known, entries.end());
    if (known == entries.end()) return from;
    EXPECT_LE(known->entry.from, from);
    EXPECT_EQ(found.from, known->entry.from);
    EXPECT_EQ(found.end, known->entry.end());
    EXPECT_EQ(found.max_timestamp, known->entry.max_timestamp);
    EXPECT_EQ(found.batch.base, known->entry.base);
    EXPECT_EQ(found.batch.jsn, known->entry.jsn);
    EXPECT_EQ(found.batch.index, known->entry.index);
    EXPECT_EQ(found.batch.leader_epoch, known->entry.leader_epoch);
    EXPECT_EQ(found.batch.append_time_ms, known->entry.append_time_ms);
    EXPECT_TRUE(meaning(found.batch.bytes) == meaning(known->batch));
    from = found.end;
  }
  return from;
}

}  // namespace tidemill::log
