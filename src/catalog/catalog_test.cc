#include "catalog/catalog.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "log/memory_log.h"
#include "world/real.h"

namespace tidemill::catalog {

struct CatalogTest : testing::Test {
  std::string dir = testing::TempDir() + "tidemill-catalog-" + std::to_string(world::real_random().next());
  log::MemoryLog log{world::real_clock()};
  ~CatalogTest() override { std::filesystem::remove_all(dir); }

  std::unique_ptr<Catalog> open() {
    auto opened = Catalog::open(log, world::real_disk(), world::real_clock(), world::real_random(), dir);
    EXPECT_TRUE(opened) << opened.error().text();
    return std::move(*opened);
  }
};

sql::Source nested_source() {
  using record::Kind;
  using record::Type;
  sql::Source s;
  s.name = "ORDERS";
  s.topic = "orders";
  s.columns = {{"ID", Kind::bigint, sql::ColumnRole::key},
               {"PRICE", Type::decimal(10, 2)},
               {"TAGS", Type::array(Kind::string)},
               {"WHERE_", Type::structure({{"CITY", Kind::string}, {"POINTS", Type::map(Kind::double_)}})}};
  s.value_format = sql::Format::debezium_json;
  s.timestamp_column = "AT";
  s.window = sql::Window{60000};
  s.statement = "CREATE STREAM orders ...;";
  return s;
}

TEST_F(CatalogTest, everything_is_there_after_a_restart_with_and_without_snapshot) {
  Uuid uuid{};
  StreamId first;
  {
    auto c = open();
    ASSERT_TRUE(c->change_and_wait({CreateTopic{.tenant = default_tenant, .name = "orders", .partitions = 3, .configs = {{"retention.ms", "1"}}},
                                    PutSource{default_tenant, nested_source()},
                                    PutConnector{default_tenant, "shop", {{"database.password", "s"}}}}));
    Query q{.tenant = default_tenant, .id = "CSAS_X_1", .statement = "CREATE STREAM x AS SELECT * FROM orders;", .sink = "X", .sources = {"ORDERS"}, .positions = {}};
    ASSERT_TRUE(c->change_and_wait({PutQuery{q}}));
    uuid = c->find_topic(default_tenant, "orders")->uuid;
    first = c->find_topic(default_tenant, "orders")->first_stream;
    EXPECT_EQ(c->find_topic(uuid)->name, "orders");
  }
  for (bool with_snapshot : {false, true}) {
    auto c = open();
    ASSERT_TRUE(c->find_topic(default_tenant, "orders"));
    EXPECT_EQ(c->find_topic(default_tenant, "orders")->uuid, uuid);
    EXPECT_EQ(c->find_topic(default_tenant, "orders")->configs.at("retention.ms"), "1");
    EXPECT_EQ(c->find_source(default_tenant, "ORDERS")->definition, nested_source());
    EXPECT_EQ(c->find_connector(default_tenant, "shop")->config.at("database.password"), "s");
    EXPECT_EQ(c->all_queries().size(), 1u);
    EXPECT_EQ(c->next_number(default_tenant), 4);
    if (!with_snapshot) { ASSERT_TRUE(c->snapshot()); }
  }
  auto c = open();
  ASSERT_TRUE(c->change_and_wait({DeleteTopic{default_tenant, "orders"}, CreateTopic{.tenant = default_tenant, .name = "orders"}}));
  EXPECT_GE(c->find_topic(default_tenant, "orders")->first_stream.value, first.value + 3) << "a stream id came back";
}

TEST_F(CatalogTest, all_changes_hold_or_none) {
  auto c = open();
  auto failed = c->change_and_wait({CreateTopic{.tenant = default_tenant, .name = "a"}, DropSource{default_tenant, "NOWHERE"}});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::not_found);
  EXPECT_FALSE(c->find_topic(default_tenant, "a"));
  EXPECT_EQ(log.bounds(catalog_stream).end, Offset(0));
}

TEST_F(CatalogTest, tenants_do_not_see_each_other) {
  auto c = open();
  ASSERT_TRUE(c->change_and_wait({CreateTopic{.tenant = default_tenant, .name = "a"}}));
  EXPECT_FALSE(c->find_topic(TenantId(2), "a"));
  ASSERT_TRUE(c->change_and_wait({CreateTopic{.tenant = TenantId(2), .name = "a"}}));
  EXPECT_EQ(c->topics(default_tenant).size(), 1u);
}

TEST_F(CatalogTest, a_broken_snapshot_costs_nothing_but_time) {
  {
    auto c = open();
    ASSERT_TRUE(c->change_and_wait({CreateTopic{.tenant = default_tenant, .name = "a"}}));
    ASSERT_TRUE(c->snapshot());
  }
  auto text = world::read_file(world::real_disk(), dir + "/snapshot", 1 << 20);
  ASSERT_TRUE(text);
  text->back() = 'x';
  ASSERT_TRUE(world::replace_file(world::real_disk(), dir + "/snapshot", *text));
  EXPECT_TRUE(open()->find_topic(default_tenant, "a"));
}

TEST_F(CatalogTest, names_that_kafka_would_refuse_are_refused) {
  auto c = open();
  for (const char* name : {"", ".", "..", "a b", "a/b"}) {
    auto made = c->change_and_wait({CreateTopic{.tenant = default_tenant, .name = name}});
    EXPECT_FALSE(made) << name;
  }
}

}  // namespace tidemill::catalog
