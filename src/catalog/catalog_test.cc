#include "catalog/catalog.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "log/memory_log.h"
#include "record/batch.h"
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

Slice one_record() {
  record::BatchBuilder batch;
  batch.add(1, std::nullopt, "x");
  return batch.finish();
}

TEST_F(CatalogTest, what_is_dropped_takes_its_streams_along_in_the_same_append) {
  auto c = open();
  Query q{.tenant = default_tenant, .id = "Q", .statement = "...", .sink = "X", .sources = {}, .positions = {}};
  ASSERT_TRUE(c->change_and_wait({CreateTopic{.tenant = default_tenant, .name = "orders", .partitions = 3}, CreateTopic{.tenant = default_tenant, .name = "kept"}, PutQuery{q},
                                  PutConnector{default_tenant, "shop", {}}}));
  auto orders = c->find_topic(default_tenant, "orders");
  auto kept = c->find_topic(default_tenant, "kept");
  std::vector<StreamId> doomed{orders->stream(0), orders->stream(1), orders->stream(2), c->find_query(default_tenant, "Q")->positions,
                               c->find_connector(default_tenant, "shop")->positions};
  auto write = [&](StreamId stream) {
    log::Append append;
    append.entries.push_back({default_tenant, stream, one_record()});
    return log::append_and_wait(log, std::move(append));
  };
  for (auto stream : doomed) ASSERT_TRUE(write(stream));
  ASSERT_TRUE(write(kept->stream(0)));

  auto dropped = c->change_and_wait({DeleteTopic{default_tenant, "orders"}, DropQuery{default_tenant, "Q"}, DropConnector{default_tenant, "shop"}});
  ASSERT_TRUE(dropped);
  auto groups = log.read_groups(*dropped, 1 << 20);
  ASSERT_TRUE(groups);
  std::vector<StreamId> forgotten;
  for (auto& mark : groups->front().marks)
    if (mark.kind == log::Mark::Kind::forget) forgotten.push_back(mark.stream);
  EXPECT_EQ(forgotten, doomed);
  EXPECT_EQ(groups->front().entries.size(), 1u) << "the record of the catalogue is in the same group";
  for (auto stream : doomed) {
    EXPECT_EQ(log.read(stream, Offset(0), 1).error().code, Code::not_found);
    EXPECT_EQ(write(stream).error().code, Code::not_found) << "written to a topic that is deleted";
  }
  EXPECT_EQ(log.bounds(kept->stream(0)).end, Offset(1));
}

TEST_F(CatalogTest, a_stream_is_known_by_the_topic_that_has_it) {
  auto c = open();
  for (auto [name, partitions] : {std::pair{"a", 3}, {"b", 1}, {"c", 2}}) ASSERT_TRUE(c->change_and_wait({CreateTopic{.tenant = default_tenant, .name = name, .partitions = partitions}}));
  ASSERT_TRUE(c->change_and_wait({PutConnector{default_tenant, "shop", {}}}));
  auto positions = c->find_connector(default_tenant, "shop")->positions;
  for (bool again : {false, true}) {
    if (again) c = open();
    for (auto* name : {"a", "b", "c"}) {
      auto topic = c->find_topic(default_tenant, name);
      for (std::int32_t p = 0; p < topic->partitions; ++p) EXPECT_EQ(c->topic_of(topic->stream(p)), topic);
    }
    EXPECT_FALSE(c->topic_of(catalog_stream));
    EXPECT_FALSE(c->topic_of(positions));
    EXPECT_FALSE(c->topic_of(StreamId{1 << 30}));
  }
  auto b = c->find_topic(default_tenant, "b")->first_stream;
  ASSERT_TRUE(c->change_and_wait({DeleteTopic{default_tenant, "b"}}));
  EXPECT_FALSE(c->topic_of(b));
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
