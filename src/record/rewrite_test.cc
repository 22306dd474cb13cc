#include "record/rewrite.h"

#include <gtest/gtest.h>

#include "bytes/crc32c.h"

namespace tidemill::record {
namespace {

constexpr Codec codecs[] = {Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd};

Slice five_records(Codec codec) {
  BatchBuilder builder(codec);
  BatchBuilder::HeaderPair headers[] = {{"h", "1"}, {"null", std::nullopt}};
  builder.add(1000, "k0", "v0", headers);
  builder.add(1900, "k1", "v1");
  builder.add(990, std::nullopt, "v2", headers);
  builder.add(1200, "k3", std::nullopt);
  builder.add(1005, "k4", "");
  builder.producer(77, 3, 12);
  return builder.finish();
}

struct Read {
  std::int64_t offset, time;
  std::optional<std::string> key, value;
  std::string headers;
  bool operator==(const Read&) const = default;
};
std::vector<Read> read_all(const Slice& batch) {
  std::vector<Read> out;
  auto records = BatchRecords::open(batch, Offset{40});
  EXPECT_TRUE(records);
  RecordView r;
  for (;;) {
    auto more = records->next(r);
    EXPECT_TRUE(more) << more.error().text();
    if (!more || !*more) return out;
    out.push_back({r.offset, r.timestamp_ms, r.key ? std::optional(std::string(*r.key)) : std::nullopt,
                   r.value ? std::optional(std::string(*r.value)) : std::nullopt, std::string(r.headers)});
  }
}

TEST(Rewrite, every_choice_of_records_keeps_them_as_they_were_in_every_codec) {
  for (auto codec : codecs)
    for (unsigned choice = 1; choice < 32; ++choice)
      for (bool with_horizon : {false, true}) {
        auto batch = five_records(codec);
        std::vector<bool> keep(5);
        std::vector<Read> expected;
        auto all = read_all(batch);
        std::int64_t newest = 0;
        for (unsigned i = 0; i < 5; ++i) {
          keep[i] = choice >> i & 1;
          if (keep[i]) expected.push_back(all[i]);
          if (keep[i]) newest = std::max(newest, all[i].time);
        }
        auto rewritten = keep_records(batch, keep, with_horizon ? std::optional(std::int64_t{123'456'789'000}) : std::nullopt);
        ASSERT_TRUE(rewritten) << rewritten.error().text();
        auto header = validate_stored_batch(rewritten->bytes());
        ASSERT_TRUE(header) << header.error().text();
        EXPECT_EQ(read_all(*rewritten), expected);
        EXPECT_EQ(header->last_offset_delta, 4);
        EXPECT_EQ(header->max_timestamp, newest);
        EXPECT_EQ(header->codec(), codec);
        EXPECT_EQ(std::tuple(header->producer_id, header->producer_epoch, header->base_sequence), std::tuple(77, 3, 12));
        EXPECT_EQ(delete_horizon(*header), with_horizon ? std::optional(std::int64_t{123'456'789'000}) : std::nullopt);
      }
}

TEST(Rewrite, a_horizon_survives_the_next_rewriting) {
  auto once = keep_records(five_records(Codec::lz4), {true, false, true, true, false}, 5000);
  auto twice = keep_records(*once, {false, true, true});
  ASSERT_TRUE(twice) << twice.error().text();
  EXPECT_EQ(delete_horizon(*read_header(twice->bytes())), 5000);
  auto left = read_all(*twice);
  ASSERT_EQ(left.size(), 2u);
  EXPECT_EQ(left[0].offset, 42);
  EXPECT_EQ(left[0].time, 990);
  EXPECT_EQ(left[1].time, 1200);
}

TEST(Rewrite, a_batch_with_the_time_of_its_append_keeps_it) {
  std::string bytes(five_records(Codec::none).text());
  bytes[22] = 0x08;
  auto crc = __builtin_bswap32(crc32c(as_bytes(bytes).subspan(21)));
  std::memcpy(bytes.data() + 17, &crc, 4);
  auto rewritten = keep_records(Slice::copy(bytes), {true, false, false, false, false});
  ASSERT_TRUE(rewritten);
  EXPECT_EQ(read_header(rewritten->bytes())->max_timestamp, 1900);
}

TEST(Rewrite, an_empty_batch_holds_offsets_and_sequence) {
  for (auto codec : codecs) {
    auto header = *read_header(five_records(codec).bytes());
    auto empty = empty_batch(header);
    EXPECT_EQ(empty.size(), batch_header_bytes);
    auto read = validate_stored_batch(empty.bytes());
    ASSERT_TRUE(read);
    EXPECT_EQ(read->records_count, 0);
    EXPECT_EQ(read->last_offset_delta, 4);
    EXPECT_EQ(read->max_timestamp, header.max_timestamp);
    EXPECT_EQ(read->base_sequence, 12);
    EXPECT_EQ(read->codec(), Codec::none);
    EXPECT_TRUE(read_all(empty).empty());
    EXPECT_FALSE(validate_batch(empty.bytes())) << "nobody may send one";
  }
}

TEST(Rewrite, records_that_run_past_their_batch_are_refused) {
  std::string bytes(five_records(Codec::none).text());
  bytes[61] = 0x7e;
  EXPECT_EQ(keep_records(Slice::copy(bytes), std::vector<bool>(5, true)).error().code, Code::corrupt);
}

}  // namespace
}  // namespace tidemill::record
