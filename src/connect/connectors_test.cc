#include "connect/connectors.h"

#include <gtest/gtest.h>

#include "log/memory_log.h"
#include "world/disk.h"
#include "world/real.h"

namespace tidemill::connect {
namespace {

// Takes nothing while `full`.
class FullLog : public log::MemoryLog {
 public:
  using MemoryLog::MemoryLog;
  void append(log::Append append, log::AppendDone done) override {
    if (full) return done(fail(Code::full, "the disk is full"));
    MemoryLog::append(std::move(append), std::move(done));
  }
  std::atomic<bool> full = false;
};

// A connector whose server never answers: what matters here is whether it runs.
class ConnectorsTest : public ::testing::Test {
 protected:
  ConnectorsTest() : log_(world::real_clock()) {
    char dir[] = "/tmp/tidemill-connectors-XXXXXX";
    dir_ = ::mkdtemp(dir);
    catalog_ = std::move(*catalog::Catalog::open(log_, world::real_disk(), world::real_clock(), world::real_random(), dir_));
    open();
  }
  ~ConnectorsTest() override {
    connectors_.reset();
    EXPECT_EQ(std::system(("rm -rf " + dir_).c_str()), 0);
  }
  void open() { connectors_ = std::move(*Connectors::open({log_, *catalog_, world::real_clock()})); }
  static ConfigMap config(std::initializer_list<std::pair<const std::string, std::string>> more = {}) {
    ConfigMap config = {{"connector.class", "PostgresConnector"}, {"database.hostname", "127.0.0.1"}, {"database.port", "1"}, {"database.user", "u"},
                        {"database.password", "geheim"}, {"database.dbname", "d"}, {"topic.prefix", "p"}};
    for (auto& [name, value] : more) config[name] = value;
    return config;
  }
  std::string stored(const std::string& property) { return catalog_->find_connector(default_tenant, "c")->config.at(property); }
  State state() { return connectors_->status(default_tenant, "c")->state; }
  // Its server refuses it again and again, and it says so: there is a task.
  bool runs() {
    auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < until)
      if (connectors_->status(default_tenant, "c")->trace.find("does not answer") != std::string::npos) return true;
    return false;
  }

  FullLog log_;
  std::string dir_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<Connectors> connectors_;
};

}  // namespace

TEST_F(ConnectorsTest, a_configuration_read_masked_and_put_back_keeps_its_password) {
  ASSERT_TRUE(connectors_->put(default_tenant, "c", config()));
  auto shown = connectors_->shown_config(default_tenant, "c");
  EXPECT_EQ(shown->at("database.password"), mask);
  (*shown)["snapshot.mode"] = "no_data";
  ASSERT_TRUE(connectors_->put(default_tenant, "c", *shown));
  EXPECT_EQ(stored("database.password"), "geheim");
  EXPECT_EQ(stored("snapshot.mode"), "no_data");
  ASSERT_TRUE(connectors_->put(default_tenant, "c", config({{"database.password", "neu"}})));
  EXPECT_EQ(stored("database.password"), "neu");
}

TEST_F(ConnectorsTest, a_mask_that_stands_for_nothing_is_refused) {
  auto made = connectors_->put(default_tenant, "c", config({{"database.password", std::string(mask)}}));
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().text(), "database.password is ********, which stands for a value that is not stored; give the value itself");
}

TEST_F(ConnectorsTest, a_change_that_cannot_be_kept_leaves_the_connector_running) {
  ASSERT_TRUE(connectors_->put(default_tenant, "c", config()));
  ASSERT_TRUE(runs());
  log_.full = true;
  EXPECT_FALSE(connectors_->put(default_tenant, "c", config({{"snapshot.mode", "no_data"}})));
  EXPECT_TRUE(runs());
  EXPECT_FALSE(connectors_->erase(default_tenant, "c"));
  EXPECT_TRUE(runs());
  EXPECT_FALSE(connectors_->pause(default_tenant, "c", true));
  EXPECT_TRUE(runs());
  EXPECT_FALSE(connectors_->put(default_tenant, "c", config({{"snapshot.mode", "sometimes"}})));
  EXPECT_TRUE(runs());
  EXPECT_FALSE(catalog_->find_connector(default_tenant, "c")->config.contains("snapshot.mode"));
}

TEST_F(ConnectorsTest, a_paused_connector_stays_so_over_restarts_and_new_configurations) {
  ASSERT_TRUE(connectors_->put(default_tenant, "c", config()));
  ASSERT_TRUE(connectors_->pause(default_tenant, "c", true));
  EXPECT_EQ(state(), State::paused);
  connectors_.reset();
  open();
  EXPECT_EQ(state(), State::paused);
  ASSERT_TRUE(connectors_->put(default_tenant, "c", config({{"snapshot.mode", "no_data"}})));
  ASSERT_TRUE(connectors_->restart(default_tenant, "c"));
  EXPECT_EQ(state(), State::paused);
  EXPECT_FALSE(connectors_->shown_config(default_tenant, "c")->contains("tidemill.paused"));
  ASSERT_TRUE(connectors_->pause(default_tenant, "c", false));
  EXPECT_TRUE(runs());
}

TEST_F(ConnectorsTest, what_is_odd_in_a_configuration_is_shown_with_the_status) {
  ASSERT_TRUE(connectors_->put(default_tenant, "c", config({{"tabel.include.list", "x"}, {"provide.transaction.metadata", "true"}})));
  EXPECT_EQ(connectors_->status(default_tenant, "c")->warnings,
            (std::vector<std::string>{"unknown property tabel.include.list: ignored",
                                      "provide.transaction.metadata fills the transaction block of events; the topic p.transaction is not written"}));
}

TEST_F(ConnectorsTest, one_slot_is_not_given_to_two_connectors) {
  ASSERT_TRUE(connectors_->put(default_tenant, "c", config({{"slot.name", "s"}})));
  auto second = connectors_->put(default_tenant, "d", config({{"slot.name", "s"}}));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().text(), "slot.name \"s\" at 127.0.0.1:1 is used by connector \"c\"; choose another slot.name");
  EXPECT_TRUE(connectors_->put(default_tenant, "d", config({{"slot.name", "s2"}})));
  EXPECT_TRUE(connectors_->put(default_tenant, "c", config({{"slot.name", "s"}})));
}

}  // namespace tidemill::connect
