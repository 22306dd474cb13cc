// For tests only: a connector over the in-memory log, captured from a PostgreSQL of the tests' own.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "connect/postgres/connector.h"
#include "connect/postgres/test_server.h"
#include "log/memory_log.h"
#include "record/batch.h"
#include "world/disk.h"
#include "world/real.h"

namespace tidemill::connect::postgres {

struct CapturedRecord {
  std::optional<std::string> key, value;
  std::vector<std::pair<std::string, std::string>> headers;
  nlohmann::json json() const { return nlohmann::json::parse(value.value_or("null")); }
  std::string op() const { return value ? json().at("op").get<std::string>() : "tombstone"; }
};

class CaptureTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server = new TestServer; }
  static void TearDownTestSuite() {
    delete server;
    server = nullptr;
  }

  CaptureTest() : log_(world::real_clock()) {
    auto name = std::string(::testing::UnitTest::GetInstance()->current_test_info()->name());
    database_ = name.substr(0, 50);
    slot_ = "s_" + name.substr(0, 50);
    for (char& c : database_) c = static_cast<char>(std::tolower(c));
    for (char& c : slot_) c = static_cast<char>(std::tolower(c));
    char dir[] = "/tmp/tidemill-catalog-XXXXXX";
    catalog_dir_ = ::mkdtemp(dir);
    auto catalog = catalog::Catalog::open(log_, world::real_disk(), world::real_clock(), world::real_random(), catalog_dir_);
    EXPECT_TRUE(catalog) << catalog.error().text();
    catalog_ = std::move(*catalog);
    server->sql("postgres", "CREATE DATABASE " + database_);
    config_ = {{"connector.class", "io.debezium.connector.postgresql.PostgresConnector"}, {"database.hostname", "127.0.0.1"},
               {"database.port", std::to_string(server->port())}, {"database.user", "postgres"}, {"database.dbname", database_},
               {"topic.prefix", "t"}, {"slot.name", slot_}, {"key.converter.schemas.enable", "false"},
               {"value.converter.schemas.enable", "false"}, {"skipped.operations", "none"}};
  }
  ~CaptureTest() override { EXPECT_EQ(std::system(("rm -rf " + catalog_dir_).c_str()), 0); }

  std::string sql(const std::string& text) { return server->sql(database_, text); }

  void start() {
    auto put = catalog_->change_and_wait({catalog::PutConnector{default_tenant, "c", config_}});
    ASSERT_TRUE(put) << put.error().text();
    auto settings = read_settings(config_);
    ASSERT_TRUE(settings) << settings.error().text();
    Context context{log_, *catalog_, world::real_clock()};
    connector_ = std::make_unique<PostgresConnector>(context, catalog_->find_connector(default_tenant, "c"), std::move(*settings));
  }
  void stop() { connector_.reset(); }

  std::vector<CapturedRecord> records(const std::string& topic) {
    std::vector<CapturedRecord> out;
    auto found = catalog_->find_topic(default_tenant, topic);
    if (!found) return out;
    auto end = log_.bounds(found->stream(0)).end;
    for (Offset at; at < end;) {
      auto batches = log_.read(found->stream(0), at, 64u << 20);
      EXPECT_TRUE(batches);
      for (auto& batch : *batches) {
        auto reader = record::BatchRecords::open(batch.bytes, batch.base);
        EXPECT_TRUE(reader) << reader.error().text();
        for (record::RecordView view; *reader->next(view); at = Offset(view.offset + 1)) {
          CapturedRecord record;
          if (view.key) record.key.emplace(*view.key);
          if (view.value) record.value.emplace(*view.value);
          if (view.headers != std::string_view("\0", 1))
            for (auto& h : *record::read_headers(view.headers)) record.headers.emplace_back(h.key, h.value.value_or(""));
          out.push_back(std::move(record));
        }
      }
    }
    return out;
  }
  std::int64_t count(const std::string& topic) {
    auto found = catalog_->find_topic(default_tenant, topic);
    return found ? log_.bounds(found->stream(0)).end.value : 0;
  }

  // Until it is true; a minute at most.
  template <class Condition>
  ::testing::AssertionResult eventually(Condition condition) {
    auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < until) {
      if (condition()) return ::testing::AssertionSuccess();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    auto status = connector_ ? connector_->status() : Status{};
    return ::testing::AssertionFailure() << "not within a minute; connector " << state_name(status.state) << " " << status.trace;
  }
  bool streaming() { return connector_->status().progress["phase"] == "streaming"; }
  std::string failure() {
    EXPECT_TRUE(eventually([&] { return connector_->status().state == State::failed; }));
    return connector_->status().trace;
  }

  // What a consumer who applies the topic in order holds in the end: key -> row. Anything that does not fit is counted.
  std::map<std::string, std::string> replay(const std::string& topic) {
    std::map<std::string, std::string> rows;
    misfits_ = 0;
    reads_ = 0;
    for (auto& record : records(topic)) {
      if (!record.value) continue;
      auto json = record.json();
      auto op = json.at("op").get<std::string>();
      if (op == "r") ++reads_;
      if (op == "d") misfits_ += 1 - static_cast<int>(rows.erase(*record.key));
      else if (op == "u") { misfits_ += !rows.contains(*record.key); rows[*record.key] = json.at("after").dump(); }
      else { misfits_ += rows.contains(*record.key); rows[*record.key] = json.at("after").dump(); }
    }
    return rows;
  }

  static TestServer* server;
  log::MemoryLog log_;
  std::string catalog_dir_, database_, slot_;
  std::unique_ptr<catalog::Catalog> catalog_;
  ConfigMap config_;
  std::unique_ptr<PostgresConnector> connector_;
  int misfits_ = 0, reads_ = 0;
};

}  // namespace tidemill::connect::postgres
