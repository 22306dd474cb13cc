#include "record/batch.h"

#include <gtest/gtest.h>

namespace tidemill::record {

Slice three_records(Codec codec) {
  BatchBuilder builder(codec);
  BatchBuilder::HeaderPair headers[] = {{"h", "1"}, {"null", std::nullopt}};
  builder.add(1000, "k1", "v1", headers);
  builder.add(1005, std::nullopt, "v2");
  builder.add(990, "k3", std::nullopt);
  return builder.finish();
}

TEST(RecordBatch, what_is_built_is_read_back_in_every_codec) {
  for (auto codec : {Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd}) {
    auto batch = three_records(codec);
    auto header = validate_batch(batch.bytes());
    ASSERT_TRUE(header) << header.error().text();
    EXPECT_EQ(header->max_timestamp, 1005);
    auto records = BatchRecords::open(batch, Offset{40});
    ASSERT_TRUE(records);
    RecordView r;
    ASSERT_TRUE(*records->next(r));
    EXPECT_EQ(r.offset, 40);
    EXPECT_EQ(*r.key, "k1");
    auto headers = read_headers(r.headers);
    ASSERT_EQ(headers->size(), 2u);
    EXPECT_FALSE((*headers)[1].value);
    ASSERT_TRUE(*records->next(r));
    EXPECT_FALSE(r.key);
    ASSERT_TRUE(*records->next(r));
    EXPECT_EQ(r.timestamp_ms, 990);
    EXPECT_FALSE(r.value);
    EXPECT_FALSE(*records->next(r));
  }
}

TEST(RecordBatch, one_flipped_bit_anywhere_after_the_crc_is_refused) {
  auto batch = three_records(Codec::none);
  for (std::size_t at = 21; at < batch.size(); ++at) {
    std::string bytes(batch.text());
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    EXPECT_FALSE(validate_batch(as_bytes(bytes))) << at;
  }
}

TEST(RecordBatch, a_cut_batch_is_refused_at_every_length) {
  auto batch = three_records(Codec::none);
  for (std::size_t size = 0; size < batch.size(); ++size) EXPECT_FALSE(validate_batch(batch.part(0, size).bytes()));
}

}  // namespace tidemill::record
