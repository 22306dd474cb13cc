#include <bit>

#include "bytes/crc32c.h"
#include "flow/snapshot.h"
#include "flow/test_mill.h"

// The bytes of a snapshot are those of docs/formats/flow-snapshot.md: read here by the page alone.

namespace tidemill::flow {
namespace {

constexpr const char* stream = "CREATE STREAM s (city STRING, n INT) WITH (KAFKA_TOPIC='in', VALUE_FORMAT='JSON', PARTITIONS=1);";

std::string snapshot_of(Mill& mill) {
  mill.snapshots = true;
  auto task = mill.drain();
  EXPECT_TRUE(task->snapshot());
  auto bytes = world::read_file(mill.disk, "snapshots/00000000000000000001.snapshot", 1 << 20);
  EXPECT_TRUE(bytes);
  return bytes ? *bytes : std::string();
}

// Checks everything around the state and gives it.
ByteReader state_in(std::string_view bytes, std::int64_t next_offset) {
  ByteReader in(bytes);
  EXPECT_EQ(in.text(4), "TFLW");
  EXPECT_EQ(in.le<std::uint32_t>(), 1u);
  in.le<std::uint64_t>();
  EXPECT_EQ(in.u8(), 2);
  EXPECT_GT(in.u64(), 0u);
  EXPECT_EQ(in.u64(), 0u);
  EXPECT_EQ(in.u32(), 1u);
  EXPECT_EQ(in.u64(), 1024u);
  EXPECT_EQ(in.i64(), next_offset);
  EXPECT_EQ(in.i64(), 0);
  auto size = in.le<std::uint64_t>();
  EXPECT_EQ(size + 4, in.remaining());
  ByteReader state(in.text(size));
  EXPECT_EQ(in.le<std::uint32_t>(), crc32c(as_bytes(bytes.substr(0, bytes.size() - 4))));
  return state;
}

std::string text_cell(std::string_view text) {
  ByteWriter out;
  out.u8(1);
  out.le(static_cast<std::uint32_t>(text.size()));
  out.text(text);
  return out.take();
}

TEST(Snapshot, groups_are_written_as_the_page_says) {
  Mill mill;
  mill.run_sql(std::string(stream) + "CREATE TABLE q AS SELECT city, COUNT(*) AS c, SUM(n) AS s, MAX(city) AS m FROM s WINDOW TUMBLING (SIZE 1 SECOND) GROUP BY city;");
  mill.put("in", std::nullopt, R"({"city":"Cork","n":7})", 2500);
  mill.put("in", std::nullopt, R"({"city":"Cork","n":-9})", 2100);
  auto bytes = snapshot_of(mill);
  auto in = state_in(bytes, 2);
  EXPECT_EQ(in.u8(), 1);
  EXPECT_EQ(in.le<std::int64_t>(), 2500);
  EXPECT_EQ(in.le<std::uint64_t>(), 0u);
  EXPECT_EQ(in.le<std::uint32_t>(), 3u);
  ASSERT_EQ(in.le<std::uint32_t>(), 1u);
  auto key = in.text(in.le<std::uint32_t>());
  ByteWriter start;
  start.le(std::int64_t{2000});
  EXPECT_EQ(key, text_cell("Cork") + start.take());
  EXPECT_EQ(in.le<std::int64_t>(), 2500);
  EXPECT_EQ(in.le<std::int64_t>(), 2000);
  EXPECT_EQ(in.u8(), 0);
  struct Wanted { std::int64_t count, number; std::string_view text; };
  for (auto wanted : {Wanted{2, 0, ""}, Wanted{2, -2, ""}, Wanted{2, 0, "Cork"}}) {
    EXPECT_EQ(in.le<std::int64_t>(), wanted.count);
    EXPECT_EQ(in.le<std::int64_t>(), wanted.number);
    EXPECT_EQ(in.le<std::int64_t>(), wanted.number < 0 ? -1 : 0);
    EXPECT_EQ(std::bit_cast<double>(in.le<std::uint64_t>()), 0);
    EXPECT_EQ(in.text(in.le<std::uint32_t>()), wanted.text);
  }
  EXPECT_EQ(in.remaining(), 0u);
}

TEST(Snapshot, table_rows_are_written_as_the_page_says) {
  Mill mill;
  mill.run_sql("CREATE TABLE s (id INT PRIMARY KEY, d DECIMAL(5,2), r DOUBLE) WITH (KAFKA_TOPIC='in', VALUE_FORMAT='JSON', PARTITIONS=1);"
               "CREATE TABLE q AS SELECT id, d, r FROM s;");
  mill.put("in", be32(5), R"({"d":-1.25,"r":null})", 77);
  auto bytes = snapshot_of(mill);
  auto in = state_in(bytes, 1);
  EXPECT_EQ(in.u8(), 2);
  ASSERT_EQ(in.le<std::uint32_t>(), 1u);
  ByteWriter key, row;
  key.u8(1);
  key.le(std::int64_t{5});
  row.text(key.view());
  row.u8(1);
  row.le(std::int64_t{-125});
  row.le(std::int64_t{-1});
  row.u8(0);
  row.u8(1);
  row.le(std::int64_t{77});  // ROWTIME, which scans show
  EXPECT_EQ(in.text(in.le<std::uint32_t>()), key.view());
  EXPECT_EQ(in.text(in.le<std::uint32_t>()), row.view());
  EXPECT_EQ(in.remaining(), 0u);
}

}  // namespace
}  // namespace tidemill::flow
