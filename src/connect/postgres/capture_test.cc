#include "connect/postgres/test_capture.h"

namespace tidemill::connect::postgres {

TestServer* CaptureTest::server = nullptr;

TEST_F(CaptureTest, rows_before_and_after_the_start_arrive_once_with_their_operations) {
  sql("CREATE TABLE orders (id int PRIMARY KEY, item text NOT NULL, price numeric(10,2)); INSERT INTO orders VALUES (1, 'tea', 2.50), (2, 'milk', NULL)");
  start();
  ASSERT_TRUE(eventually([&] { return streaming(); }));
  sql("INSERT INTO orders VALUES (3, 'salt', 0.99)");
  sql("UPDATE orders SET price = 3 WHERE id = 2; UPDATE orders SET id = 30 WHERE id = 3; DELETE FROM orders WHERE id = 1");
  sql("TRUNCATE orders");
  ASSERT_TRUE(eventually([&] { return count("t.public.orders") >= 10; }));
  auto all = records("t.public.orders");
  std::vector<std::string> ops;
  for (auto& record : all) ops.push_back(record.op());
  EXPECT_EQ(ops, (std::vector<std::string>{"r", "r", "c", "u", "d", "tombstone", "c", "d", "tombstone", "t"}));
  EXPECT_EQ(all[0].key, R"({"id":1})");
  EXPECT_EQ(all[0].json()["source"]["snapshot"], "first");
  EXPECT_EQ(all[1].json()["source"]["snapshot"], "last");
  EXPECT_EQ(all[2].json()["source"]["snapshot"], "false");
  EXPECT_EQ(all[2].json()["after"].dump(), R"({"id":3,"item":"salt","price":"Yw=="})");
  EXPECT_TRUE(all[3].json()["before"].is_null());
  EXPECT_EQ(all[4].headers, (std::vector<std::pair<std::string, std::string>>{{"__debezium.newkey", R"({"id":30})"}}));
  EXPECT_EQ(all[6].headers, (std::vector<std::pair<std::string, std::string>>{{"__debezium.oldkey", R"({"id":3})"}}));
  EXPECT_EQ(all[7].json()["before"].dump(), R"({"id":1,"item":"","price":null})");
  EXPECT_FALSE(all[9].key);
}

TEST_F(CaptureTest, a_restart_neither_repeats_nor_loses) {
  sql("CREATE TABLE a (id int PRIMARY KEY)");
  start();
  ASSERT_TRUE(eventually([&] { return streaming(); }));
  for (int round = 0; round < 4; ++round) {
    sql(fmt::format("INSERT INTO a VALUES ({})", round * 2));
    if (round % 2 == 0) ASSERT_TRUE(eventually([&] { return count("t.public.a") == round * 2 + 1; }));
    stop();
    sql(fmt::format("INSERT INTO a VALUES ({})", round * 2 + 1));
    start();
    ASSERT_TRUE(eventually([&] { return count("t.public.a") == round * 2 + 2; }));
  }
  replay("t.public.a");
  EXPECT_EQ(misfits_, 0);
}

TEST_F(CaptureTest, a_transaction_cut_anywhere_is_completed_without_repeating) {
  sql("CREATE TABLE big (id int PRIMARY KEY, v text)");
  config_["provide.transaction.metadata"] = "true";
  start();
  ASSERT_TRUE(eventually([&] { return streaming(); }));
  constexpr int rows = 60'000;
  sql(fmt::format("INSERT INTO big SELECT i, repeat('x', 100) FROM generate_series(1, {}) i", rows));
  for (std::int64_t seen = 0; seen < rows;) {
    ASSERT_TRUE(eventually([&] { return count("t.public.big") > seen; }));
    seen = count("t.public.big");
    stop();
    if (count("t.public.big") < rows) start();
  }
  start();
  sql("INSERT INTO big VALUES (0, 'end')");
  ASSERT_TRUE(eventually([&] { return count("t.public.big") == rows + 1; }));
  auto all = records("t.public.big");
  for (int i = 0; i < rows; ++i) {
    auto json = all[static_cast<std::size_t>(i)].json();
    ASSERT_EQ(json["after"]["id"], i + 1);
    ASSERT_EQ(json["transaction"]["total_order"], i + 1);
  }
  EXPECT_EQ(all.back().json()["transaction"]["total_order"], 1);
}

TEST_F(CaptureTest, a_snapshot_under_writers_leaves_no_gap_and_no_double) {
  sql("CREATE TABLE w (id int PRIMARY KEY, n int NOT NULL); INSERT INTO w SELECT i, 0 FROM generate_series(1, 20000) i");
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; !done; ++i)
      sql(fmt::format("UPDATE w SET n = n + 1 WHERE id % 97 = {}; INSERT INTO w VALUES ({}, 1); DELETE FROM w WHERE id = {}; "
                      "UPDATE w SET id = {} WHERE id = {}", i % 97, 1'000'000 + i, i * 3 + 1, 2'000'000 + i, i * 5 + 2));
  });
  start();
  EXPECT_TRUE(eventually([&] { return streaming() && count("t.public.w") > 30'000; }));
  done = true;
  writer.join();
  auto expected = std::stoll(sql("INSERT INTO w VALUES (-1, 0); SELECT count(*) FROM w"));
  ASSERT_TRUE(eventually([&] { auto all = records("t.public.w"); return all.back().key == R"({"id":-1})"; }));
  auto rows = replay("t.public.w");
  EXPECT_EQ(misfits_, 0);
  EXPECT_EQ(static_cast<std::int64_t>(rows.size()), expected);
  auto sum = 0ll;
  for (auto& [key, row] : rows) sum += nlohmann::json::parse(row)["n"].get<long long>();
  EXPECT_EQ(std::to_string(sum), sql("SELECT sum(n) FROM w"));
}

TEST_F(CaptureTest, a_snapshot_interrupted_many_times_goes_on_where_it_stopped) {
  sql("CREATE TABLE a (id int PRIMARY KEY, n int NOT NULL, pad text); INSERT INTO a SELECT i, 0, repeat('p', 300) FROM generate_series(1, 20000) i;"
      "CREATE TABLE b (k text, j int, n int NOT NULL, PRIMARY KEY (k, j)); INSERT INTO b SELECT md5(i::text), i, 0 FROM generate_series(1, 20000) i;"
      "CREATE TABLE c (u uuid PRIMARY KEY, n int NOT NULL, pad text); INSERT INTO c SELECT md5(i::text)::uuid, 0, repeat('p', 300) FROM generate_series(1, 20000) i");
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; !done; ++i)
      sql(fmt::format("UPDATE a SET n = n + 1 WHERE id % 997 = {0}; UPDATE b SET n = n + 1 WHERE j % 997 = {0}; UPDATE c SET n = n + 1 WHERE u = md5('{0}')::uuid;"
                      "UPDATE a SET id = 40000 - id WHERE id = {1}; UPDATE b SET k = md5('z{0}') WHERE j = {1}; DELETE FROM c WHERE u = md5('{2}')::uuid;"
                      "INSERT INTO a VALUES ({3}, 0, '')", i % 997, (i * 7919) % 20000 + 1, (i * 31) % 20000 + 1, -i - 10));
  });
  auto total = [&] { return count("t.public.a") + count("t.public.b") + count("t.public.c"); };
  int interruptions = 0;
  for (std::int64_t seen = 0;; ++interruptions) {
    start();
    if (!eventually([&] { return total() > seen + 1500 || streaming(); }) || streaming()) break;
    stop();
    seen = total();
  }
  EXPECT_GE(interruptions, 5);
  done = true;
  writer.join();
  sql("INSERT INTO a VALUES (-1, 0, 'end')");
  ASSERT_TRUE(eventually([&] { auto all = records("t.public.a"); return !all.empty() && all.back().key == R"({"id":-1})"; }));
  for (std::string table : {"a", "b", "c"}) {
    auto rows = replay("t.public." + table);
    EXPECT_EQ(misfits_, 0) << table;
    EXPECT_EQ(std::to_string(rows.size()), sql("SELECT count(*) FROM " + table)) << table;
    auto sum = 0ll;
    for (auto& [key, row] : rows) sum += nlohmann::json::parse(row)["n"].get<long long>();
    EXPECT_EQ(std::to_string(sum), sql("SELECT sum(n) FROM " + table)) << table;
  }
}

}  // namespace tidemill::connect::postgres
