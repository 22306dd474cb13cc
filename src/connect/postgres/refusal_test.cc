// What a connector says when it cannot work, word for word where people act on it; and that it goes on by itself where it can.
#include "connect/postgres/test_capture.h"

namespace tidemill::connect::postgres {

using RefusalTest = CaptureTest;

TEST_F(RefusalTest, a_server_that_does_not_answer) {
  config_["database.port"] = "1";
  start();
  EXPECT_EQ(failure().substr(0, 71), "PostgreSQL at 127.0.0.1:1 does not answer: Connection refused; start it");
}

TEST_F(RefusalTest, a_database_that_is_not_there) {
  config_["database.dbname"] = "nowhere";
  start();
  EXPECT_EQ(failure(), fmt::format("PostgreSQL at 127.0.0.1:{} has no database \"nowhere\"; correct database.dbname", server->port()));
}

TEST_F(RefusalTest, a_wrong_password) {
  sql("CREATE ROLE locked LOGIN REPLICATION PASSWORD 'right'");
  ASSERT_EQ(std::system(fmt::format("sed -i '1i host all locked 127.0.0.1/32 scram-sha-256' {}/data/pg_hba.conf", server->dir()).c_str()), 0);
  sql("SELECT pg_reload_conf()");
  config_["database.user"] = "locked";
  config_["database.password"] = "geheim";
  ASSERT_TRUE(eventually([&] { start(); auto said = failure(); stop(); return said.starts_with(fmt::format("PostgreSQL at 127.0.0.1:{} refuses user \"locked\"", server->port())); }));
  start();
  EXPECT_NE(failure().find("correct database.user and database.password"), std::string::npos);
  EXPECT_EQ(failure().find("geheim"), std::string::npos);
}

TEST_F(RefusalTest, a_wal_level_without_logical_decoding) {
  TestServer replica("-c wal_level=replica");
  config_["database.port"] = std::to_string(replica.port());
  config_["database.dbname"] = "postgres";
  start();
  EXPECT_EQ(failure(), "PostgreSQL has wal_level=replica, but change capture needs logical; run: ALTER SYSTEM SET wal_level=logical, then restart PostgreSQL");
}

TEST_F(RefusalTest, a_user_without_replication) {
  sql("CREATE ROLE plain LOGIN; CREATE PUBLICATION dbz_publication FOR ALL TABLES");
  config_["database.user"] = "plain";
  start();
  EXPECT_NE(failure().find("run: ALTER ROLE \"plain\" WITH REPLICATION"), std::string::npos) << failure();
}

TEST_F(RefusalTest, a_missing_publication_that_may_not_be_made) {
  config_["publication.autocreate.mode"] = "disabled";
  start();
  EXPECT_EQ(failure(), "publication \"dbz_publication\" does not exist, and publication.autocreate.mode is disabled; "
                       "run: CREATE PUBLICATION \"dbz_publication\" FOR ALL TABLES");
}

TEST_F(RefusalTest, a_slot_that_is_gone_or_ahead) {
  sql("CREATE TABLE a (id int PRIMARY KEY)");
  start();
  ASSERT_TRUE(eventually([&] { return streaming(); }));
  sql("INSERT INTO a VALUES (1)");
  ASSERT_TRUE(eventually([&] { return count("t.public.a") == 1; }));
  stop();
  sql("INSERT INTO a VALUES (2)");
  ASSERT_TRUE(eventually([&] { return sql("SELECT active FROM pg_replication_slots WHERE slot_name = '" + slot_ + "'") == "f"; }));
  sql("SELECT pg_replication_slot_advance('" + slot_ + "', pg_current_wal_lsn())");
  start();
  EXPECT_NE(failure().find("ahead of the stored position"), std::string::npos) << failure();
  EXPECT_NE(failure().find("delete the connector and create it again"), std::string::npos);
  stop();
  sql("SELECT pg_drop_replication_slot('" + slot_ + "')");
  start();
  EXPECT_TRUE(failure().starts_with("replication slot \"" + slot_ + "\" is gone, but changes up to ")) << failure();
  EXPECT_EQ(count("t.public.a"), 1);
}

TEST_F(RefusalTest, a_slot_in_use_is_waited_for) {
  sql("CREATE TABLE a (id int PRIMARY KEY)");
  start();
  ASSERT_TRUE(eventually([&] { return streaming(); }));
  auto first = std::move(connector_);
  Context context{log_, *catalog_, world::real_clock()};
  auto definition = std::make_shared<catalog::Connector>(*catalog_->find_connector(default_tenant, "c"));
  connector_ = std::make_unique<PostgresConnector>(context, definition, *read_settings(config_));
  EXPECT_TRUE(failure().starts_with("replication slot \"" + slot_ + "\" is in use by the server process ")) << failure();
  first.reset();
  EXPECT_TRUE(eventually([&] { return streaming() && connector_->status().state == State::running; }));
}

TEST_F(RefusalTest, a_server_that_comes_back_is_captured_on) {
  sql("CREATE TABLE a (id int PRIMARY KEY)");
  start();
  ASSERT_TRUE(eventually([&] { return streaming(); }));
  server->stop();
  EXPECT_TRUE(eventually([&] { return connector_->status().state == State::failed; }));
  server->start("");
  sql("INSERT INTO a VALUES (1)");
  EXPECT_TRUE(eventually([&] { return count("t.public.a") == 1 && connector_->status().state == State::running; }));
}

TEST_F(RefusalTest, a_stop_takes_less_than_a_second) {
  sql("CREATE TABLE a (id int PRIMARY KEY)");
  start();
  ASSERT_TRUE(eventually([&] { return streaming(); }));
  auto began = std::chrono::steady_clock::now();
  stop();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(1));
}

// Copying reads columns by COPY, streaming by pgoutput: both must say the same of every type.
TEST_F(RefusalTest, snapshot_and_stream_write_every_type_alike) {
  sql("CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN price AS numeric(8,2);"
      "CREATE TABLE y (id bigint PRIMARY KEY, b bool, s smallint, r real, d double precision, n numeric, p price, t text, v varchar(5), c char(3), u uuid,"
      "j json, jb jsonb, x bytea, da date, ti time, t0 time(0), ts timestamp, t3 timestamp(3), tz timestamptz, m mood, a int[], ta text[], iv interval,"
      "bi bit(3), mo money, ip inet, pt point, tr tsrange)");
  std::string row = "true, -3, 1.5, 2.25, 12.345, 9.5, E'tab\\there \"q\"', 'vc', 'c', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{\"a\": 1}', '{\"a\":1}',"
                    "'\\x00ff', '2024-02-29', '13:51:30.123456', '13:51:30', '2024-02-29 12:00:00.5', '2024-02-29 12:00:00.5', '2024-02-29 12:00:00.5+02', 'ok',"
                    "'{1,NULL,3}', '{\"a b\",c}', '1 day 02:00', '101', '12.50', '10.0.0.1', '(1,2)', '[2024-01-01,2024-01-02)'";
  sql("INSERT INTO y VALUES (1, " + row + ")");
  start();
  ASSERT_TRUE(eventually([&] { return streaming(); }));
  sql("INSERT INTO y VALUES (2, " + row + ")");
  ASSERT_TRUE(eventually([&] { return count("t.public.y") == 2; }));
  auto all = records("t.public.y");
  auto copied = all[0].json()["after"], streamed = all[1].json()["after"];
  copied["id"] = streamed["id"] = 0;
  EXPECT_EQ(copied.dump(), streamed.dump());
  EXPECT_EQ(copied["tz"], "2024-02-29T10:00:00.500000Z");
  EXPECT_EQ(copied["p"], "A7Y=");
  EXPECT_EQ(copied["iv"], 93600000000);
  EXPECT_EQ(copied["mo"], "BOI=");
  EXPECT_EQ(copied["c"], "c  ");
  EXPECT_EQ(connector_->status().warnings.size(), 1u);  // point
}

TEST_F(RefusalTest, envelopes_with_schemas_describe_themselves) {
  sql("CREATE TABLE o (id int PRIMARY KEY, name text); INSERT INTO o VALUES (1, 'x')");
  config_.erase("key.converter.schemas.enable");
  config_.erase("value.converter.schemas.enable");
  start();
  ASSERT_TRUE(eventually([&] { return count("t.public.o") == 1; }));
  auto record = records("t.public.o")[0];
  EXPECT_EQ(record.key, R"({"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"field":"id"}],"optional":false,"name":"t.public.o.Key"},"payload":{"id":1}})");
  auto json = record.json();
  EXPECT_EQ(json["schema"]["name"], "t.public.o.Envelope");
  std::vector<std::string> fields;
  for (auto& f : json["schema"]["fields"]) fields.push_back(f["field"]);
  EXPECT_EQ(fields, (std::vector<std::string>{"before", "after", "source", "transaction", "op", "ts_ms", "ts_us", "ts_ns"}));
  // Every field of source that the schema names is in the payload, and no other.
  ASSERT_EQ(json["schema"]["fields"][2]["fields"].size(), json["payload"]["source"].size());
  for (auto& f : json["schema"]["fields"][2]["fields"]) EXPECT_TRUE(json["payload"]["source"].contains(f["field"].get<std::string>()));
}

TEST_F(RefusalTest, unwrapped_rows_stand_alone) {
  sql("CREATE TABLE o (id int PRIMARY KEY, name text)");
  config_["transforms"] = "unwrap";
  config_["transforms.unwrap.type"] = "io.debezium.transforms.ExtractNewRecordState";
  config_["transforms.unwrap.delete.tombstone.handling.mode"] = "rewrite-with-tombstone";
  config_["transforms.unwrap.add.fields"] = "op,table";
  start();
  ASSERT_TRUE(eventually([&] { return streaming(); }));
  sql("INSERT INTO o VALUES (1, 'x'); DELETE FROM o");
  ASSERT_TRUE(eventually([&] { return count("t.public.o") == 3; }));
  auto all = records("t.public.o");
  EXPECT_EQ(all[0].value, R"({"id":1,"name":"x","__op":"c","__table":"o","__deleted":"false"})");
  EXPECT_EQ(all[1].value, R"({"id":1,"name":null,"__op":"d","__table":"o","__deleted":"true"})");
  EXPECT_FALSE(all[2].value);
}

TEST_F(RefusalTest, values_out_of_line_that_were_not_touched_are_marked_or_taken_from_the_old_row) {
  sql("CREATE TABLE o (id int PRIMARY KEY, n int, big text); ALTER TABLE o ALTER big SET STORAGE EXTERNAL; INSERT INTO o VALUES (1, 0, repeat('x', 10000))");
  start();
  ASSERT_TRUE(eventually([&] { return streaming(); }));
  sql("UPDATE o SET n = 1");
  sql("ALTER TABLE o REPLICA IDENTITY FULL; UPDATE o SET n = 2");
  ASSERT_TRUE(eventually([&] { return count("t.public.o") == 3; }));
  auto all = records("t.public.o");
  EXPECT_EQ(all[1].json()["after"]["big"], "__debezium_unavailable_value");
  EXPECT_EQ(all[2].json()["after"]["big"].get<std::string>().size(), 10000u);
  EXPECT_EQ(all[2].json()["before"]["n"], 1);
}

}  // namespace tidemill::connect::postgres
