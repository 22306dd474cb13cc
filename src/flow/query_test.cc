#include <fmt/core.h>

#include "flow/test_mill.h"

#include "flow/pull.h"

// Records in, records out, one feature at a time.

namespace tidemill::flow {
namespace {

const std::string orders = "CREATE STREAM orders (id INT KEY, item STRING, price DOUBLE, n INT) WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='JSON', PARTITIONS=1);";

TEST(Query, filter_and_projection_keep_key_timestamp_and_headers) {
  Mill mill;
  mill.run_sql(orders + "CREATE STREAM big AS SELECT id, UCASE(item) AS what, price * n AS total FROM orders WHERE price >= 10;");
  mill.put("orders", be32(1), R"({"item":"tea","price":4,"n":2})", 100);
  mill.put("orders", be32(2), R"({"ITEM":"pot","Price":12.5,"n":2})", 200, 0, {{"h", "v"}});
  mill.drain();
  auto out = mill.out();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].key, be32(2));
  EXPECT_EQ(out[0].value, R"({"WHAT":"POT","TOTAL":25.0})");
  EXPECT_EQ(out[0].timestamp_ms, 200);
  auto headers = record::read_headers(out[0].headers);
  ASSERT_EQ(headers->size(), 1u);
  EXPECT_EQ((*headers)[0].value, "v");
}

TEST(Query, a_malformed_row_is_skipped_logged_and_counted) {
  Mill mill;
  mill.run_sql(orders + "CREATE STREAM s AS SELECT id, n FROM orders;");
  mill.put("orders", be32(1), R"({"n":1})");
  mill.put("orders", be32(2), R"({"n":2,"unread":tru})");
  mill.put("orders", be32(3), R"({"n":"three"})");
  mill.put("orders", "xx", R"({"n":4})");
  mill.put("orders", be32(5), R"({"n":5})");
  auto task = mill.drain();
  EXPECT_EQ(mill.values(), (Texts{R"({"N":1})", R"({"N":5})"}));
  EXPECT_EQ(task->counts().rows_bad, 3u);
  auto log = mill.records(StreamId(6));
  ASSERT_EQ(log.size(), 3u);
  EXPECT_NE(log[0].value->find("\"deserializationError\":{\"target\":\"value\""), std::string::npos);
  EXPECT_NE(log[2].value->find("\"target\":\"key\""), std::string::npos);
}

TEST(Query, a_row_is_valid_or_not_whichever_columns_are_read) {
  for (auto* columns : {"id, n", "id, item", "id, price", "id, item, price, n"}) {
    for (auto* value : {R"({"item":"a","price":"x","n":1})", R"({"item":"a","price":1,"n":true})", R"({"item":"a" "n":1})", R"({"item":"\ud800"})"}) {
      Mill mill;
      mill.run_sql(orders + "CREATE STREAM s AS SELECT " + columns + " FROM orders;");
      mill.put("orders", be32(1), value);
      auto task = mill.drain();
      EXPECT_EQ(task->counts().rows_bad, 1u) << columns << " " << value;
      EXPECT_TRUE(mill.out().empty());
    }
  }
}

TEST(Query, a_failing_expression_is_null_and_logged) {
  Mill mill;
  mill.run_sql(orders + "CREATE STREAM s AS SELECT id, 10 / n AS q FROM orders;");
  mill.put("orders", be32(1), R"({"n":0})");
  mill.put("orders", be32(1), R"({"n":3})");
  mill.drain();
  EXPECT_EQ(mill.values(), (Texts{R"({"Q":null})", R"({"Q":3})"}));
  EXPECT_EQ(mill.records(StreamId(6)).size(), 1u);
}

TEST(Query, partition_by_makes_a_new_key_and_partition) {
  Mill mill;
  mill.run_sql(orders + "CREATE STREAM s WITH (PARTITIONS=4) AS SELECT item, n FROM orders PARTITION BY item;");
  for (auto* item : {"a", "b", "c", "a"}) mill.put("orders", be32(1), std::string(R"({"item":")") + item + R"(","n":1})");
  mill.drain();
  std::size_t seen = 0;
  for (std::size_t p = 0; p < 4; ++p)
    for (auto& r : mill.out(p)) {
      ++seen;
      EXPECT_EQ(partition_of_key(*r.key, 4), p);
    }
  EXPECT_EQ(seen, 4u);
}

TEST(Query, murmur2_is_kafkas) {
  EXPECT_EQ(static_cast<std::int32_t>(murmur2("21")), -973932308);
  EXPECT_EQ(static_cast<std::int32_t>(murmur2("foobar")), -790332482);
  EXPECT_EQ(static_cast<std::int32_t>(murmur2("a-little-bit-long-string")), -985981536);
  EXPECT_EQ(static_cast<std::int32_t>(murmur2("a-little-bit-longer-string")), -1486304829);
}

TEST(Query, every_row_updates_its_group) {
  Mill mill;
  mill.run_sql(orders + "CREATE TABLE t AS SELECT item, COUNT(*) AS c, SUM(n) AS s, AVG(n) AS a, MIN(price) AS lo, MAX(price) AS hi FROM orders GROUP BY item;");
  mill.put("orders", be32(1), R"({"item":"x","price":2,"n":1})", 50);
  mill.put("orders", be32(2), R"({"item":null,"price":2,"n":1})", 60);
  mill.put("orders", be32(3), R"({"item":"x","price":1,"n":4})", 40);
  mill.drain();
  EXPECT_EQ(mill.values(), (Texts{R"({"C":1,"S":1,"A":1.0,"LO":2.0,"HI":2.0})", R"({"C":2,"S":5,"A":2.5,"LO":1.0,"HI":2.0})"}));
  EXPECT_EQ(mill.out()[1].key, "x");
  EXPECT_EQ(mill.out()[1].timestamp_ms, 50);
}

TEST(Query, having_gives_a_tombstone_only_after_a_pass) {
  Mill mill;
  mill.run_sql(orders + "CREATE TABLE t AS SELECT item, SUM(n) AS s FROM orders GROUP BY item HAVING SUM(n) > 2;");
  for (int n : {1, 2, -2, -1, 5}) mill.put("orders", be32(1), R"({"item":"x","n":)" + std::to_string(n) + "}");
  mill.drain();
  EXPECT_EQ(mill.values(), (Texts{R"({"S":3})", "-", R"({"S":5})"}));
}

TEST(Query, windows_are_part_of_the_key_and_late_rows_are_dropped) {
  Mill mill;
  mill.run_sql(orders + "CREATE TABLE t AS SELECT item, COUNT(*) AS c FROM orders WINDOW TUMBLING (SIZE 10 SECONDS, GRACE PERIOD 5 SECONDS) GROUP BY item;");
  for (int time : {1000, 9000, 12000, 2000, 16000, 3000}) mill.put("orders", be32(1), R"({"item":"x"})", time);
  auto task = mill.drain();
  EXPECT_EQ(mill.values(), (Texts{R"({"C":1})", R"({"C":2})", R"({"C":1})", R"({"C":3})", R"({"C":2})"}));
  EXPECT_EQ(mill.out()[0].key, "x" + be64(0));
  EXPECT_EQ(mill.out()[2].key, "x" + be64(10000));
  EXPECT_EQ(task->pipeline().late_rows(), 1u);
}

const std::string users = "CREATE TABLE users (id INT PRIMARY KEY, town STRING, age INT) WITH (KAFKA_TOPIC='users', VALUE_FORMAT='JSON', PARTITIONS=1);";

TEST(Query, a_table_row_that_leaves_the_filter_leaves_a_tombstone) {
  Mill mill;
  mill.run_sql(users + "CREATE TABLE adults AS SELECT id, town FROM users WHERE age >= 18;");
  mill.put("users", be32(1), R"({"town":"a","age":20})");
  mill.put("users", be32(1), R"({"town":"b","age":17})");
  mill.put("users", be32(1), R"({"town":"c","age":16})");
  mill.put("users", be32(1), R"({"town":"d","age":30})");
  mill.put("users", be32(1), std::nullopt);
  mill.put("users", be32(1), std::nullopt);
  mill.drain();
  EXPECT_EQ(mill.values(), (Texts{R"({"TOWN":"a"})", "-", R"({"TOWN":"d"})", "-"}));
}

TEST(Query, table_aggregation_undoes_and_applies) {
  Mill mill;
  mill.run_sql(users + "CREATE TABLE t AS SELECT town, COUNT(*) AS c, SUM(age) AS s FROM users GROUP BY town;");
  mill.put("users", be32(1), R"({"town":"a","age":10})");
  mill.put("users", be32(2), R"({"town":"a","age":20})");
  mill.put("users", be32(1), R"({"town":"a","age":11})");  // same group: one row
  mill.put("users", be32(1), R"({"town":"b","age":11})");  // the old group's row first
  mill.put("users", be32(2), std::nullopt);                // the group stays, empty
  mill.put("users", be32(9), std::nullopt);                // was never there
  mill.drain();
  EXPECT_EQ(mill.values(), (Texts{R"({"C":1,"S":10})", R"({"C":2,"S":30})", R"({"C":2,"S":31})", R"({"C":1,"S":20})", R"({"C":1,"S":11})", R"({"C":0,"S":0})"}));
}

const std::string changes =
    "CREATE STREAM changes (id INT KEY, town STRING, age INT) WITH (KAFKA_TOPIC='changes', KEY_FORMAT='JSON', VALUE_FORMAT='DEBEZIUM_JSON', PARTITIONS=1);";
std::string change(std::string_view op, std::string_view before, std::string_view after) {
  return fmt::format(R"({{"before":{},"after":{},"source":{{"lsn":1}},"op":"{}","ts_ms":5}})", before, after, op);
}

TEST(Query, captured_changes_undo_what_was_before) {
  Mill mill;
  mill.run_sql(changes + "CREATE TABLE t AS SELECT town, COUNT(*) AS c, SUM(age) AS s FROM changes GROUP BY town;");
  auto key = R"({"id":1})";
  mill.put("changes", key, change("r", "null", R"({"id":1,"town":"a","age":10})"));
  mill.put("changes", R"({"schema":null,"payload":{"id":2}})", R"({"schema":{},"payload":)" + change("c", "null", R"({"id":2,"town":"a","age":5})") + "}");
  mill.put("changes", key, change("u", R"({"id":1,"town":"a","age":10})", R"({"id":1,"town":"a","age":12})"));
  mill.put("changes", key, change("u", R"({"id":1,"town":"a","age":12})", R"({"id":1,"town":"b","age":12})"));
  mill.put("changes", key, change("d", R"({"id":1,"town":"b","age":12})", "null"));
  mill.put("changes", key, std::nullopt);
  mill.put("changes", std::nullopt, R"({"op":"t","source":{}})");
  auto task = mill.drain();
  EXPECT_EQ(mill.values(), (Texts{R"({"C":1,"S":10})", R"({"C":2,"S":15})", R"({"C":2,"S":17})", R"({"C":1,"S":5})", R"({"C":1,"S":12})", R"({"C":0,"S":0})"}));
  EXPECT_EQ(task->counts().rows_bad, 0u);
}

TEST(Query, min_over_rows_that_can_be_undone_is_refused) {
  Mill mill;
  mill.run_sql(changes + "CREATE TABLE t AS SELECT town, COUNT(*) AS c FROM changes GROUP BY town;");
  mill.plan->aggregates[0].kind = sql::AggregateKind::min;
  mill.plan->aggregates[0].argument = mill.plan->group_by[0];
  auto task = QueryTask::open(mill.log, nullptr, mill.spec());
  ASSERT_FALSE(task);
  EXPECT_EQ(task.error().code, Code::unsupported);
}

TEST(Query, a_stream_passes_records_without_value_and_a_filter_drops_them) {
  for (bool filter : {false, true}) {
    Mill mill;
    mill.run_sql(orders + "CREATE STREAM s AS SELECT id, n FROM orders " + (filter ? "WHERE n IS NULL;" : ";"));
    mill.put("orders", be32(1), std::nullopt);
    mill.drain();
    EXPECT_EQ(mill.values(), filter ? Texts{} : Texts{"-"});
  }
}

TEST(Query, partitions_are_merged_in_the_order_of_the_log) {
  Mill mill;
  mill.run_sql("CREATE STREAM o (n INT) WITH (KAFKA_TOPIC='o', VALUE_FORMAT='JSON', PARTITIONS=3); CREATE STREAM s WITH (PARTITIONS=1) AS SELECT n FROM o;");
  Texts expected;
  for (int i = 0; i < 60; ++i) {
    mill.put("o", std::nullopt, R"({"n":)" + std::to_string(i) + "}", 1000 - i, static_cast<std::size_t>(i * 7 % 3));
    expected.push_back(R"({"N":)" + std::to_string(i) + "}");
  }
  mill.batch_rows = 7;
  mill.drain();
  EXPECT_EQ(mill.values(), expected);
}

TEST(Query, pull_finds_by_key_and_by_condition) {
  Mill mill;
  mill.run_sql(orders + "CREATE TABLE t AS SELECT item, COUNT(*) AS c FROM orders GROUP BY item;");
  for (auto* item : {"a", "b", "a", "c"}) mill.put("orders", be32(1), std::string(R"({"item":")") + item + R"("})", 5);
  auto task = mill.drain();
  auto ask = [&](std::string_view text) {
    auto rows = answer_pull(task->pipeline(), *mill.plan, *mill.select(text, sql::QueryForm::pull));
    EXPECT_TRUE(rows) << rows.error().text();
    Texts out;
    for (auto& row : *rows) {
      std::string line;
      for (std::size_t i = 0; i < row.columns.size(); ++i) {
        line += i ? "," : "";
        append_json(line, row.columns[i], std::holds_alternative<std::string>(row.columns[i].data) ? record::Kind::string : record::Kind::bigint);
      }
      out.push_back(line);
    }
    return out;
  };
  EXPECT_EQ(ask("SELECT * FROM t WHERE item = 'a';"), (Texts{"\"a\",2"}));
  EXPECT_EQ(ask("SELECT * FROM t WHERE item = 'nobody';"), Texts{});
  EXPECT_EQ(ask("SELECT c, item FROM t WHERE c < 2;"), (Texts{"1,\"b\"", "1,\"c\""}));
  EXPECT_EQ(ask("SELECT item FROM t LIMIT 2;"), (Texts{"\"a\"", "\"b\""}));
}

TEST(Query, pull_sees_the_rows_of_a_filtered_table) {
  Mill mill;
  mill.run_sql(users + "CREATE TABLE adults AS SELECT id, town FROM users WHERE age >= 18;");
  mill.put("users", be32(1), R"({"town":"a","age":20})");
  mill.put("users", be32(2), R"({"town":"b","age":2})");
  mill.put("users", be32(3), R"({"town":"c","age":30})");
  mill.put("users", be32(3), std::nullopt);
  auto task = mill.drain();
  auto rows = answer_pull(task->pipeline(), *mill.plan, *mill.select("SELECT * FROM adults;", sql::QueryForm::pull));
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 1u);
  EXPECT_EQ((*rows)[0].columns[0], record::Value(std::int64_t{1}));
}

}  // namespace
}  // namespace tidemill::flow
