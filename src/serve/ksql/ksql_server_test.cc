#include "serve/ksql/ksql_server.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "log/memory_log.h"
#include "world/real.h"

namespace tidemill::serve::ksql {
namespace {

using nlohmann::json;

// A blocking client of one request; the body may be read bit by bit.
class Client {
 public:
  Client(std::uint16_t port, std::string_view method, std::string_view path, const std::string& body, std::string_view headers = "") {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    timeval patience{30, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    auto text = fmt::format("{} {} HTTP/1.0\r\nHost: localhost\r\n{}Content-Length: {}\r\n\r\n{}", method, path, headers, body.size(), body);
    EXPECT_EQ(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;

  // Everything so far, up to when it contains `piece` (or the connection ends).
  const std::string& until(std::string_view piece) {
    char buffer[4096];
    while (text_.find(piece) == std::string::npos) {
      auto n = ::recv(fd_, buffer, sizeof buffer, 0);
      if (n <= 0) break;
      text_.append(buffer, static_cast<std::size_t>(n));
    }
    return text_;
  }
  const std::string& all() { return until("\x01 never"); }
  int status() { return std::atoi(all().substr(9, 3).c_str()); }
  std::string body() { return all().substr(std::min(all().size(), all().find("\r\n\r\n") + 4)); }

 private:
  int fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string text_;
};

class KsqlServerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = catalog::Catalog::open(log_, world::real_disk(), world::real_clock(), world::real_random(), dir_ + "/catalog");
    ASSERT_TRUE(opened) << opened.error().text();
    catalog_ = std::move(*opened);
    auto queries = flow::Queries::open(log_, *catalog_, world::real_disk(), world::real_clock(), shards_, {.dir = dir_ + "/queries"});
    ASSERT_TRUE(queries) << queries.error().text();
    queries_ = std::move(*queries);
    KsqlOptions options;
    options.push_queries_max = 2;
    server_ = std::make_unique<KsqlServer>(*net_, shards_, *catalog_, *queries_, std::move(options));
    auto address = server_->start({"127.0.0.1", 0});
    ASSERT_TRUE(address) << address.error().text();
    port_ = address->port;
  }
  ~KsqlServerTest() override {
    server_.reset();
    if (queries_) queries_->stop();
    queries_.reset();
    catalog_.reset();
    shards_.stop();
    std::filesystem::remove_all(dir_);
  }

  Client post(std::string_view path, const std::string& sql, const json& properties = json::object()) {
    return Client(port_, "POST", path, json{{"ksql", sql}, {"streamsProperties", properties}}.dump(), "Content-Type: application/json\r\n");
  }
  json ksql(const std::string& sql, const json& properties = {{"auto.offset.reset", "earliest"}}) {
    auto client = post("/ksql", sql, properties);
    EXPECT_EQ(client.status(), 200) << sql << "\n" << client.body();
    return json::parse(client.body(), nullptr, false);
  }
  json refused(const std::string& sql, std::string_view path = "/ksql") {
    auto client = post(path, sql);
    EXPECT_EQ(client.status(), 400) << sql << "\n" << client.body();
    return json::parse(client.body(), nullptr, false);
  }
  json query(const std::string& sql) {
    auto client = post("/query", sql);
    EXPECT_EQ(client.status(), 200) << sql << "\n" << client.body();
    return json::parse(client.body(), nullptr, false);
  }
  // Asks until the rows of the pull query are these; a query answers a little after what it reads is written.
  void expect_rows(const std::string& sql, const json& expected) {
    json rows;
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    do {
      rows = json::array();
      for (auto& part : query(sql)) {
        if (part.contains("row")) rows.push_back(part["row"]["columns"]);
      }
      std::sort(rows.begin(), rows.end());
    } while (rows != expected && std::chrono::steady_clock::now() < deadline);
    EXPECT_EQ(rows, expected) << sql;
  }
  void make_orders() { ksql("CREATE STREAM orders (id INT KEY, city STRING, amount DECIMAL(8,2)) WITH (KAFKA_TOPIC='orders', VALUE_FORMAT='JSON', PARTITIONS=2);"); }

  std::string dir_ = testing::TempDir() + "tidemill-ksql-" + std::to_string(world::real_random().next());
  log::MemoryLog log_{world::real_clock()};
  std::unique_ptr<world::Net> net_ = world::real_net();
  runtime::Shards shards_{2};
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<flow::Queries> queries_;
  std::unique_ptr<KsqlServer> server_;
  std::uint16_t port_ = 0;
};

TEST_F(KsqlServerTest, a_stream_is_made_with_its_topic_and_answered_as_a_command) {
  auto answer = ksql("CREATE STREAM s (k STRING KEY, v INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON', PARTITIONS=3);");
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0]["@type"], "currentStatus");
  EXPECT_EQ(answer[0]["commandId"], "stream/`S`/create");
  EXPECT_EQ(answer[0]["commandStatus"], (json{{"status", "SUCCESS"}, {"message", "Stream created"}, {"queryId", nullptr}}));
  EXPECT_EQ(catalog_->find_topic(default_tenant, "t")->partitions, 3);
  auto again = ksql("CREATE STREAM IF NOT EXISTS s (v INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');");
  EXPECT_EQ(again[0]["@type"], "warning_entity");
  EXPECT_EQ(refused("CREATE TABLE s (k INT PRIMARY KEY, v INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');")["message"],
            "Cannot add table 'S': A stream with the same name already exists\nuse IF NOT EXISTS, another name, or DROP STREAM S first");
}

TEST_F(KsqlServerTest, refusals_carry_code_statement_and_what_was_done_before) {
  auto error = refused("CREATE STREAM a (v INT) WITH (KAFKA_TOPIC='a', VALUE_FORMAT='JSON', PARTITIONS=1); CREATE STREAM b (v INT) WITH (KAFKA_TOPIC='none', VALUE_FORMAT='JSON');");
  EXPECT_EQ(error["@type"], "statement_error");
  EXPECT_EQ(error["error_code"], 40001);
  EXPECT_EQ(error["statementText"], "CREATE STREAM b (v INT) WITH (KAFKA_TOPIC='none', VALUE_FORMAT='JSON');");
  EXPECT_TRUE(error["message"].get<std::string>().starts_with("Topic 'none' does not exist. If you want to create a new topic")) << error;
  ASSERT_EQ(error["entities"].size(), 1u);
  EXPECT_EQ(error["entities"][0]["commandId"], "stream/`A`/create");
  EXPECT_EQ(refused("SELECT * FROM a EMIT CHANGES;")["error_code"], 40002);
  EXPECT_EQ(refused("CREATE STREEM x;")["message"], "line 1:8: Syntax Error\nExpecting {'STREAM', 'TABLE'}\nSyntax error at or near 'STREEM' at line 1:8");
  EXPECT_EQ(refused("SHOW STREAMS; SHOW TABLES;", "/query")["error_code"], 40001);
  auto property = post("/ksql", "SHOW STREAMS;", {{"no.such.property", "x"}});
  EXPECT_EQ(json::parse(property.body())["error_code"], 40000);
  Client broken(port_, "POST", "/ksql", "{nope");
  EXPECT_EQ(json::parse(broken.body())["@type"], "generic_error");
}

TEST_F(KsqlServerTest, inserted_rows_are_counted_and_pulled) {
  make_orders();
  auto made = ksql("CREATE TABLE cities AS SELECT city, COUNT(*) AS n, SUM(amount) AS total FROM orders GROUP BY city EMIT CHANGES;");
  auto id = made[0]["commandStatus"]["queryId"].get<std::string>();
  EXPECT_TRUE(id.starts_with("CTAS_CITIES_")) << id;
  EXPECT_EQ(made[0]["commandStatus"]["message"], "Created query with ID " + id);
  EXPECT_EQ(catalog_->find_topic(default_tenant, "CITIES")->partitions, 2);
  EXPECT_EQ(ksql("INSERT INTO orders VALUES (1, 'Porto', 2.5); INSERT INTO orders (city, id, amount) VALUES ('Cork', 2, 1);"
                 "INSERT INTO orders VALUES (3, 'Porto', 0.25);"),
            json::array());
  expect_rows("SELECT * FROM cities;", json::parse(R"([["Cork",1,1.00],["Porto",2,2.75]])"));
  expect_rows("SELECT n FROM cities WHERE city = 'Porto';", json::parse("[[2]]"));
  auto answer = query("SELECT city, n FROM cities WHERE city = 'nowhere';");
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0]["header"]["schema"], "`CITY` STRING KEY, `N` BIGINT");
}

TEST_F(KsqlServerTest, a_push_query_streams_rows_and_ends_at_its_limit) {
  make_orders();
  auto pushing = post("/query", "SELECT id, UCASE(city) AS c FROM orders EMIT CHANGES LIMIT 2;");
  pushing.until("header");
  ksql("INSERT INTO orders VALUES (1, 'Porto', 2.5); INSERT INTO orders VALUES (2, NULL, 1); INSERT INTO orders VALUES (3, 'Bremen', 1);");
  auto parts = json::parse(pushing.body(), nullptr, false);
  ASSERT_EQ(parts.size(), 4u) << pushing.body();
  EXPECT_EQ(parts[0]["header"]["schema"], "`ID` INTEGER, `C` STRING");
  EXPECT_TRUE(parts[0]["header"]["queryId"].get<std::string>().starts_with("transient_ORDERS_"));
  EXPECT_EQ(parts[3], (json{{"finalMessage", "Limit Reached"}}));
}

TEST_F(KsqlServerTest, the_delimited_form_has_a_line_of_names_and_a_line_for_each_row) {
  make_orders();
  ksql("INSERT INTO orders VALUES (7, 'Porto', 2.5);");
  Client pushing(port_, "POST", "/query-stream", json{{"sql", "SELECT * FROM orders EMIT CHANGES LIMIT 1;"}, {"properties", {{"auto.offset.reset", "earliest"}}}}.dump());
  auto body = pushing.body();
  auto header = json::parse(body.substr(0, body.find('\n')));
  EXPECT_EQ(header["columnNames"], json::parse(R"(["ID","CITY","AMOUNT"])"));
  EXPECT_EQ(header["columnTypes"], (json{"INTEGER", "STRING", "DECIMAL(8, 2)"}));
  EXPECT_EQ(body.substr(body.find('\n') + 1), "[7,\"Porto\",2.50]\n");
}

TEST_F(KsqlServerTest, push_queries_are_counted_and_end_with_their_client_or_by_request) {
  make_orders();
  auto first = std::make_unique<Client>(port_, "POST", "/query", json{{"ksql", "SELECT * FROM orders EMIT CHANGES;"}}.dump());
  auto second = post("/query", "SELECT * FROM orders EMIT CHANGES;");
  first->until("header");
  auto head = second.until("schema");
  auto third = post("/query", "SELECT * FROM orders EMIT CHANGES;");
  EXPECT_EQ(json::parse(third.body(), nullptr, false)["error_code"], 40003);
  first.reset();
  auto again = [&] {
    auto client = post("/query", "SELECT * FROM orders EMIT CHANGES LIMIT 0;");
    return client.status();
  };
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  int status = 0;
  while ((status = again()) != 200 && std::chrono::steady_clock::now() < deadline) {}
  EXPECT_EQ(status, 200) << "the place of the client that went away stays taken";
  auto at = head.find("transient_");
  auto id = head.substr(at, head.find('"', at) - at);
  Client close(port_, "POST", "/close-query", json{{"queryId", id}}.dump());
  EXPECT_EQ(close.status(), 200);
  EXPECT_NE(second.body().find("Query Completed"), std::string::npos);
}

TEST_F(KsqlServerTest, a_source_in_use_is_dropped_only_after_its_queries) {
  make_orders();
  auto id = ksql("CREATE STREAM copies AS SELECT * FROM orders WHERE amount > 1;")[0]["commandStatus"]["queryId"].get<std::string>();
  EXPECT_EQ(refused("DROP STREAM orders;")["message"],
            fmt::format("Cannot drop ORDERS.\nThe following queries read from this source: [{0}].\nThe following queries write into this source: [].\n"
                        "You need to terminate them before dropping ORDERS.\nTERMINATE {0}; and try again", id));
  EXPECT_EQ(refused("DROP TABLE copies;")["message"], "Incompatible data source type is STREAM, but statement was DROP TABLE\nwrite DROP STREAM COPIES");
  EXPECT_EQ(ksql("SHOW QUERIES;")[0]["queries"][0]["state"], "RUNNING");
  auto ended = ksql("TERMINATE " + id + "; DROP STREAM copies DELETE TOPIC; DROP STREAM orders;");
  ASSERT_EQ(ended.size(), 3u);
  EXPECT_EQ(ended[0]["commandId"], "terminate/" + id + "/execute");
  EXPECT_EQ(ended[1]["commandId"], "stream/COPIES/drop");
  EXPECT_FALSE(catalog_->find_topic(default_tenant, "COPIES"));
  EXPECT_TRUE(catalog_->find_topic(default_tenant, "orders"));
  EXPECT_EQ(ksql("SHOW STREAMS;")[0]["streams"], json::array());
  EXPECT_EQ(refused("TERMINATE " + id + ";")["error_code"], 40001);
  EXPECT_EQ(ksql("DROP STREAM IF EXISTS copies;")[0]["@type"], "warning_entity");
}

TEST_F(KsqlServerTest, what_exists_is_shown_and_described) {
  make_orders();
  ksql("CREATE TABLE hourly AS SELECT city, COUNT(*) AS n FROM orders WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY city;");
  EXPECT_EQ(ksql("LIST STREAMS;")[0]["streams"], json::parse(R"([{"type":"STREAM","name":"ORDERS","topic":"orders","keyFormat":"KAFKA","valueFormat":"JSON","isWindowed":false}])"));
  EXPECT_EQ(ksql("SHOW TABLES;")[0]["tables"][0]["isWindowed"], true);
  auto topics = ksql("SHOW TOPICS;")[0]["topics"];
  EXPECT_NE(std::find(topics.begin(), topics.end(), json::parse(R"({"name":"orders","replicaInfo":[1,1]})")), topics.end()) << topics;
  auto described = ksql("DESCRIBE orders EXTENDED;")[0]["sourceDescription"];
  EXPECT_EQ(described["fields"][0], json::parse(R"({"name":"ID","schema":{"type":"INTEGER","fields":null,"memberSchema":null},"type":"KEY"})"));
  EXPECT_EQ(described["fields"][2]["schema"]["parameters"], json::parse(R"({"precision":8,"scale":2})"));
  EXPECT_EQ(described["readQueries"][0]["sinks"], json::parse(R"(["HOURLY"])"));
  EXPECT_EQ(described["partitions"], 2);
  EXPECT_EQ(ksql("DESCRIBE hourly;")[0]["sourceDescription"]["windowType"], "TUMBLING");
  EXPECT_GT(ksql("SHOW FUNCTIONS;")[0]["functions"].size(), 30u);
  EXPECT_EQ(ksql("DESCRIBE FUNCTION round;")[0]["functions"].size(), 6u);
  EXPECT_EQ(ksql("SET 'auto.offset.reset'='earliest'; SHOW PROPERTIES;", json::object())[0]["overwrittenProperties"], json::parse(R"(["ksql.streams.auto.offset.reset"])"));
  EXPECT_NE(ksql("EXPLAIN SELECT id FROM orders EMIT CHANGES;")[0]["queryDescription"]["executionPlan"].get<std::string>().find("from ORDERS"), std::string::npos);
}

TEST_F(KsqlServerTest, the_small_pages_answer) {
  auto get = [&](std::string_view path) { return Client(port_, "GET", path, ""); };
  EXPECT_EQ(json::parse(get("/info").body())["KsqlServerInfo"]["serverStatus"], "RUNNING");
  EXPECT_EQ(json::parse(get("/healthcheck").body())["isHealthy"], true);
  EXPECT_EQ(get("/").status(), 307);
  EXPECT_EQ(get("/is_valid_property/ksql.streams.auto.offset.reset").body(), "true");
  EXPECT_EQ(get("/is_valid_property/nope").status(), 400);
  EXPECT_EQ(get("/nope").status(), 404);
}

}  // namespace
}  // namespace tidemill::serve::ksql
