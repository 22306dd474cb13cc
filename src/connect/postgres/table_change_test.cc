// Tables that change while they are captured, and tables whose changes say little about the old row.
#include "connect/postgres/test_capture.h"

namespace tidemill::connect::postgres {

using TableChange = CaptureTest;

TEST_F(TableChange, a_column_added_in_the_middle_is_in_the_events_behind_it_and_in_none_before) {
  sql("CREATE TABLE o (id int PRIMARY KEY, a text)");
  start();
  ASSERT_TRUE(eventually([&] { return streaming(); }));
  sql("BEGIN; INSERT INTO o VALUES (1, 'x'); ALTER TABLE o ADD COLUMN b int NOT NULL DEFAULT 7; INSERT INTO o VALUES (2, 'y', 8); "
      "UPDATE o SET a = 'z' WHERE id = 1; ALTER TABLE o DROP COLUMN a; INSERT INTO o VALUES (3, 9); COMMIT");
  ASSERT_TRUE(eventually([&] { return count("t.public.o") == 4; }));
  auto all = records("t.public.o");
  EXPECT_EQ(all[0].json()["after"].dump(), R"({"a":"x","id":1})");
  EXPECT_EQ(all[1].json()["after"].dump(), R"({"a":"y","b":8,"id":2})");
  EXPECT_EQ(all[2].json()["after"].dump(), R"({"a":"z","b":7,"id":1})");
  EXPECT_EQ(all[3].json()["after"].dump(), R"({"b":9,"id":3})");
}

TEST_F(TableChange, a_null_from_before_set_not_null_stays_a_null) {
  sql("CREATE TABLE o (id int PRIMARY KEY, n int)");
  start();
  ASSERT_TRUE(eventually([&] { return streaming(); }));
  stop();
  sql("INSERT INTO o VALUES (1, NULL); UPDATE o SET n = 5; ALTER TABLE o ALTER n SET NOT NULL");
  config_["value.converter.schemas.enable"] = "true";
  start();
  ASSERT_TRUE(eventually([&] { return count("t.public.o") == 2; }));
  auto first = records("t.public.o")[0].json();
  EXPECT_TRUE(first["payload"]["after"]["n"].is_null());
  EXPECT_EQ(first["schema"]["fields"][1]["fields"][1]["optional"], true);
}

TEST_F(TableChange, a_number_that_has_no_form_is_null_and_not_zero) {
  sql("CREATE TABLE o (id int PRIMARY KEY, n numeric(8,2) NOT NULL); INSERT INTO o VALUES (1, 'NaN')");
  start();
  ASSERT_TRUE(eventually([&] { return count("t.public.o") == 1; }));
  EXPECT_TRUE(records("t.public.o")[0].json()["after"]["n"].is_null());
}

TEST_F(TableChange, a_replica_identity_by_index_makes_the_key_so_that_deletes_have_one) {
  sql("CREATE TABLE o (id int PRIMARY KEY, code text NOT NULL, v int); CREATE UNIQUE INDEX o_code ON o (code);"
      "ALTER TABLE o REPLICA IDENTITY USING INDEX o_code; INSERT INTO o VALUES (1, 'a', 0)");
  start();
  ASSERT_TRUE(eventually([&] { return streaming(); }));
  sql("UPDATE o SET v = 1; UPDATE o SET id = 2; UPDATE o SET code = 'b'; DELETE FROM o");
  ASSERT_TRUE(eventually([&] { return count("t.public.o") >= 8; }));
  auto all = records("t.public.o");
  std::vector<std::pair<std::string, std::string>> told;
  for (auto& record : all) told.emplace_back(record.op(), record.key.value_or("none"));
  std::string a = R"({"code":"a"})", b = R"({"code":"b"})";
  EXPECT_EQ(told, (std::vector<std::pair<std::string, std::string>>{{"r", a}, {"u", a}, {"u", a}, {"d", a}, {"tombstone", a}, {"c", b}, {"d", b}, {"tombstone", b}}));
}

TEST_F(TableChange, a_key_stored_out_of_line_is_whole_in_every_event) {
  sql("CREATE TABLE o (k text PRIMARY KEY, n int); ALTER TABLE o ALTER k SET STORAGE EXTERNAL; INSERT INTO o VALUES (repeat('k', 2500), 0)");
  start();
  ASSERT_TRUE(eventually([&] { return streaming(); }));
  sql("UPDATE o SET n = 1; DELETE FROM o");
  ASSERT_TRUE(eventually([&] { return count("t.public.o") == 4; }));
  auto all = records("t.public.o");
  EXPECT_EQ(all[1].op(), "u");
  for (auto& record : all) EXPECT_EQ(record.key, all[0].key);
}

TEST_F(TableChange, a_table_rewritten_during_the_snapshot_is_copied_with_its_rows) {
  sql("CREATE TABLE a (id int PRIMARY KEY, pad text); INSERT INTO a SELECT i, repeat('p', 500) FROM generate_series(1, 60000) i;"
      "CREATE TABLE b (id int PRIMARY KEY, n int); INSERT INTO b SELECT i, i FROM generate_series(1, 100) i");
  start();
  ASSERT_TRUE(eventually([&] { return count("t.public.a") > 0; }));
  sql("ALTER TABLE b ALTER n TYPE bigint");
  ASSERT_TRUE(eventually([&] { return streaming(); }));
  replay("t.public.a");
  EXPECT_EQ(reads_, 60000);
  EXPECT_EQ(misfits_, 0);
  replay("t.public.b");
  EXPECT_EQ(reads_, 100);
  EXPECT_EQ(misfits_, 0);
}

}  // namespace tidemill::connect::postgres
