#include <fmt/format.h>
#include <gtest/gtest.h>

#include "bytes/cursor.h"
#include "connect/postgres/civil_time.h"
#include "connect/postgres/column_type.h"
#include "connect/postgres/copy_text.h"
#include "connect/postgres/decimal.h"
#include "connect/postgres/pgoutput.h"
#include "connect/postgres/position.h"
#include "connect/postgres/snapshot_filter.h"

namespace tidemill::connect::postgres {
namespace {

std::string hex(std::string_view text) {
  std::string bytes;
  int half = -1;
  for (char c : text) {
    if (c == ' ') continue;
    int digit = c <= '9' ? c - '0' : c - 'a' + 10;
    if (half < 0) { half = digit; continue; }
    bytes.push_back(static_cast<char>(half << 4 | digit));
    half = -1;
  }
  return bytes;
}

// Every cut of a good message is refused, and the message itself is not.
void good_only_whole(const std::string& bytes) {
  Message message;
  EXPECT_TRUE(decode_pgoutput(as_bytes(bytes), message));
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode_pgoutput(as_bytes(bytes).first(size), message)) << size;
}

}  // namespace

// As PostgreSQL 15 sends them.
const auto begin = hex("42 00000000019a7f58 0002bd8e1c5f0a11 000002e5");
const auto relation = hex("52 00004001 7075626c696300 6f726465727300 64 0002 01 696400 00000017 ffffffff 00 6e616d6500 00000019 ffffffff");
const auto update = hex("55 00004001 4b 0002 74 00000001 31 6e 4e 0002 74 00000001 32 75");

TEST(Pgoutput, messages_are_read_field_by_field) {
  Message m;
  ASSERT_TRUE(decode_pgoutput(as_bytes(begin), m));
  EXPECT_EQ(lsn_text(m.begin.commit_lsn), "0/19A7F58");
  EXPECT_EQ(m.begin.xid, 741u);
  ASSERT_TRUE(decode_pgoutput(as_bytes(relation), m));
  EXPECT_EQ(m.relation.schema, "public");
  EXPECT_EQ(m.relation.table, "orders");
  ASSERT_EQ(m.relation.columns.size(), 2u);
  EXPECT_TRUE(m.relation.columns[0].key);
  EXPECT_EQ(m.relation.columns[1].type, 25u);
  ASSERT_TRUE(decode_pgoutput(as_bytes(update), m));
  EXPECT_EQ(m.change.old_kind, 'K');
  EXPECT_EQ(m.change.old_row[1].presence, Presence::null);
  EXPECT_EQ(m.change.new_row[0].text, "2");
  EXPECT_EQ(m.change.new_row[1].presence, Presence::unchanged);
}

TEST(Pgoutput, a_cut_message_is_refused_wherever_it_is_cut) {
  for (auto& bytes : {begin, relation, update}) good_only_whole(bytes);
}

TEST(Lsn, is_written_and_read_as_servers_do) {
  EXPECT_EQ(lsn_text(Lsn(0x16B374D848)), "16/B374D848");
  EXPECT_EQ(parse_lsn("16/B374D848"), Lsn(0x16B374D848));
  EXPECT_FALSE(parse_lsn("16B374D848"));
}

std::string decimal_hex(std::string_view text, int scale) {
  std::string out;
  for (unsigned char c : unscaled_bytes(text, scale).value_or("?")) out += fmt::format("{:02x}", c);
  return out;
}

TEST(Decimal, is_the_shortest_two_s_complement) {
  EXPECT_EQ(decimal_hex("0", 2), "00");
  EXPECT_EQ(decimal_hex("1.27", 2), "7f");
  EXPECT_EQ(decimal_hex("1.28", 2), "0080");
  EXPECT_EQ(decimal_hex("-1.28", 2), "80");
  EXPECT_EQ(decimal_hex("-1.29", 2), "ff7f");
  EXPECT_EQ(decimal_hex("1", 2), "64");
  EXPECT_EQ(decimal_hex("123000", -3), "7b");
  EXPECT_EQ(decimal_hex("340282366920938463463374607431768211456", 0), "0100000000000000000000000000000000");
  EXPECT_EQ(decimal_hex("-340282366920938463463374607431768211456", 0), "ff00000000000000000000000000000000");
  EXPECT_FALSE(unscaled_bytes("NaN", 0));
}

TEST(CivilTime, dates_and_times_become_numbers) {
  EXPECT_EQ(parse_date("1970-01-01"), 0);
  EXPECT_EQ(parse_date("2016-11-04"), 17109);
  EXPECT_EQ(parse_date("0001-01-01 BC"), -719528);
  EXPECT_EQ(parse_time("24:00:00"), day_us);
  EXPECT_EQ(parse_timestamp("2016-11-04 13:51:30.123456"), 1478267490123456);
  EXPECT_EQ(parse_timestamp("1969-12-31 23:59:59.5"), -500000);
  EXPECT_FALSE(parse_timestamp("yesterday"));
}

std::string value(const ColumnType& type, std::string_view text) {
  std::string out;
  return append_value(out, type, text) ? out : "(none)";
}
ColumnType of_oid(std::uint32_t oid, std::int32_t modifier = -1, TypeModes modes = {}) {
  PgType type;
  type.oid = oid;
  return choose_type(type, modifier, nullptr, modes);
}

TEST(ColumnType, values_have_debezium_s_form) {
  EXPECT_EQ(value(of_oid(1184), "2016-11-04 11:51:30.123456+00"), "\"2016-11-04T11:51:30.123456Z\"");
  EXPECT_EQ(value(of_oid(1184), "21016-11-04 06:51:30+00"), "\"+21016-11-04T06:51:30.000000Z\"");
  EXPECT_EQ(value(of_oid(1184), "infinity"), "\"infinity\"");
  EXPECT_EQ(value(of_oid(1114), "infinity"), "9223372036825200000");
  EXPECT_EQ(value(of_oid(1114, 3), "1970-01-01 00:00:01.5"), "1500");
  EXPECT_EQ(value(of_oid(1266), "13:51:30.123789+02"), "\"11:51:30.123789Z\"");
  EXPECT_EQ(value(of_oid(17), "\\x0102ff"), "\"AQL/\"");
  EXPECT_EQ(value(of_oid(1560, 10), "0000000011"), "\"AwA=\"");
  EXPECT_EQ(value(of_oid(1560, 1), "1"), "true");
  EXPECT_EQ(value(of_oid(701), "NaN"), "\"NaN\"");
  EXPECT_EQ(value(of_oid(701), "3"), "3.0");
  EXPECT_EQ(value(of_oid(1700, (10 << 16 | 2) + 4), "12.5"), "\"BOI=\"");
  EXPECT_EQ(value(of_oid(1700), "12.50"), R"({"scale":2,"value":"BOI="})");
  EXPECT_EQ(value(of_oid(1700), "NaN"), "(none)");
  EXPECT_EQ(value(of_oid(790), "-$1,234.56"), "\"/h3A\"");
  EXPECT_EQ(value(of_oid(1186), "P1Y2M3DT4H5M6.5S"), "37091106500000");
  EXPECT_EQ(value(of_oid(25), "a\"b\n\x01"), "\"a\\\"b\\n\\u0001\"");
}

TEST(ColumnType, arrays_keep_nulls_quotes_and_nesting) {
  PgType array, text;
  array.oid = 1009;
  text.oid = 25;
  auto type = choose_type(array, -1, &text, {});
  EXPECT_EQ(value(type, R"({a,"b \"c\"",NULL,"NULL",""})"), R"(["a","b \"c\"",null,"NULL",""])");
  EXPECT_EQ(value(type, "{}"), "[]");
  EXPECT_EQ(value(type, "{{a},{b}}"), R"([["a"],["b"]])");
  EXPECT_EQ(value(type, "{a"), "(none)");
}

TEST(ColumnType, schemas_have_kafka_connect_s_form) {
  EXPECT_EQ(field_schema(of_oid(1700, (10 << 16 | 2) + 4), true, "price"),
            R"({"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"10"},"field":"price"})");
  EXPECT_EQ(field_schema(of_oid(23), false, "id"), R"({"type":"int32","optional":false,"field":"id"})");
  EXPECT_EQ(field_schema(of_oid(1082), true, "d"), R"({"type":"int32","optional":true,"name":"io.debezium.time.Date","version":1,"field":"d"})");
}

TEST(CopyText, fields_nulls_and_escapes) {
  std::string line = "1\t\\N\ta\\tb\\\\c\\n\t\n";
  Row row;
  split_copy_line(line, row);
  ASSERT_EQ(row.size(), 4u);
  EXPECT_EQ(row[1].presence, Presence::null);
  EXPECT_EQ(row[2].text, "a\tb\\c\n");
  EXPECT_EQ(row[3].presence, Presence::text);
  EXPECT_EQ(row[3].text, "");
}

TEST(Position, survives_being_written_and_read) {
  Position p;
  p.system = "73\"1";
  p.resume = Lsn(0x100000001);
  p.commit = Lsn(5);
  p.index = 7;
  p.whole = false;
  p.xid = 9;
  p.snapshot = Snapshot{{{"public", "a", 16385}}, {{Lsn(3), {0, {"5", "x"}}, false}, {Lsn(4), {0, {}}, true}}, false};
  auto read = parse_position(position_text(p));
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_EQ(*read, p);
  EXPECT_FALSE(parse_position("{}"));
}

TEST(SnapshotFilter, a_row_passes_from_the_run_on_that_copied_it) {
  Table table;
  table.oid = 1;
  table.columns.push_back({"id", 23, of_oid(23), false});
  table.key = {0};
  KeyOrder order(table);
  SnapshotFilter filter(Snapshot{{{"s", "a", 1}, {"s", "b", 2}}, {{Lsn(10), {0, {"9"}}, false}, {Lsn(20), {2, {}}, false}}, true});
  auto passes = [&](const char* key, std::uint64_t commit) { return filter.passes(table, order, {{Presence::text, key}}, Lsn(commit)); };
  EXPECT_TRUE(passes("9", 10));
  EXPECT_FALSE(passes("9", 9));
  EXPECT_FALSE(passes("10", 19));  // behind 9 as a number
  EXPECT_TRUE(passes("10", 20));
  EXPECT_FALSE(filter.passes_whole(table, Lsn(19)));
  EXPECT_TRUE(filter.passes_whole(table, Lsn(20)));
  table.oid = 3;
  EXPECT_TRUE(passes("10", 1));  // no run copied it
  EXPECT_TRUE(filter.passes_whole(table, Lsn(1)));
}

}  // namespace tidemill::connect::postgres
