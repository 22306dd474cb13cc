#include <gtest/gtest.h>

#include "bytes/compression.h"
#include "bytes/crc32c.h"
#include "bytes/cursor.h"

namespace tidemill {

TEST(Crc32c, knows_the_check_value_and_continues) {
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xE3069283u);
  EXPECT_EQ(crc32c(as_bytes("6789"), crc32c(as_bytes("12345"))), 0xE3069283u);
}

TEST(ByteReader, short_input_fails_and_stays_failed) {
  ByteReader in(std::string_view("\x01\x02\x03", 3));
  EXPECT_EQ(in.u16(), 0x0102);
  EXPECT_EQ(in.u16(), 0);
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.u8(), 0);
}

TEST(ByteReader, varints_of_every_size_come_back) {
  for (std::int64_t v : {0l, 1l, -1l, 63l, -64l, 64l, 300l, -100000l, (1l << 62), INT64_MIN, INT64_MAX}) {
    ByteWriter out;
    out.varint64(v);
    ByteReader in(out.view());
    EXPECT_EQ(in.varint64(), v);
    EXPECT_TRUE(in.ok());
  }
  ByteReader endless(std::string_view("\xff\xff\xff\xff\xff\xff"));
  endless.uvarint();
  EXPECT_FALSE(endless.ok());
}

TEST(Compression, every_codec_comes_back_and_obeys_the_limit) {
  std::string text;
  for (int i = 0; i < 50000; ++i) text += "row " + std::to_string(i % 97) + ";";
  for (auto codec : {Codec::none, Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd}) {
    auto packed = compress(codec, as_bytes(text));
    ASSERT_TRUE(packed);
    auto back = decompress(codec, as_bytes(*packed), 1 << 20);
    ASSERT_TRUE(back) << back.error().text();
    EXPECT_EQ(*back, text);
    EXPECT_EQ(decompress(codec, as_bytes(*packed), 1000).error().code, Code::too_large);
    if (codec != Codec::none) {
      EXPECT_FALSE(decompress(codec, as_bytes(packed->substr(0, packed->size() / 2)), 1 << 20));
    }
  }
}

}  // namespace tidemill
