// What the log is told to keep of a stream: the topic's settings, the server's, or everything.
#include "broker/topic_rules.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "log/memory_log.h"
#include "world/real.h"

namespace tidemill::broker {
namespace {

constexpr std::int64_t day_ms = 86'400'000;

struct PoliciesTest : testing::Test {
  std::string dir = testing::TempDir() + "tidemill-policies-" + std::to_string(world::real_random().next());
  log::MemoryLog log{world::real_clock()};
  std::unique_ptr<catalog::Catalog> catalog = *catalog::Catalog::open(log, world::real_disk(), world::real_clock(), world::real_random(), dir);
  ~PoliciesTest() override { std::filesystem::remove_all(dir); }

  StreamId create(const char* name, std::map<std::string, std::string> configs, std::int32_t partitions = 1, bool internal = false) {
    EXPECT_TRUE(catalog->change_and_wait({catalog::CreateTopic{default_tenant, name, partitions, std::move(configs), internal}}));
    return catalog->find_topic(default_tenant, name)->stream(partitions - 1);
  }
  log::Policy policy(StreamId stream, Settings settings = {}) { return policies_of(*catalog, settings)(stream); }
};

bool kept_for_ever(const log::Policy& policy) { return !policy.compact && policy.retention_ms == -1 && policy.retention_bytes == -1; }

TEST_F(PoliciesTest, a_topic_that_says_nothing_follows_the_server) {
  auto stream = create("t", {}, 3);
  EXPECT_EQ(policy(stream).retention_ms, 7 * day_ms);
  EXPECT_EQ(policy(stream).retention_bytes, -1);
  EXPECT_FALSE(policy(stream).compact);
  Settings settings{.retention_ms = 5, .retention_bytes = 6, .delete_retention_ms = 7};
  EXPECT_EQ(policy(stream, settings).retention_ms, 5);
  EXPECT_EQ(policy(stream, settings).retention_bytes, 6);
  EXPECT_EQ(policy(stream, settings).delete_retention_ms, 7);
}

TEST_F(PoliciesTest, a_topic_s_own_settings_win) {
  auto stream = create("t", {{"cleanup.policy", "compact,delete"}, {"retention.ms", "-1"}, {"retention.bytes", "1000"}, {"delete.retention.ms", "3"}, {"min.compaction.lag.ms", "4"},
                             {"max.compaction.lag.ms", "5"}, {"min.cleanable.dirty.ratio", "0.25"}});
  auto kept = policy(stream, Settings{.retention_ms = 5, .retention_bytes = 6});
  EXPECT_TRUE(kept.compact);
  EXPECT_EQ(kept.retention_ms, -1);
  EXPECT_EQ(kept.retention_bytes, 1000);
  EXPECT_EQ(kept.delete_retention_ms, 3);
  EXPECT_EQ(kept.min_compaction_lag_ms, 4);
  EXPECT_EQ(kept.max_compaction_lag_ms, 5);
  EXPECT_EQ(kept.min_cleanable_dirty_ratio, 0.25);
}

TEST_F(PoliciesTest, a_topic_that_is_only_compacted_loses_nothing_by_age_or_size) {
  auto kept = policy(create("t", {{"cleanup.policy", "compact"}, {"retention.ms", "1"}}), Settings{.retention_ms = 5, .retention_bytes = 6});
  EXPECT_TRUE(kept.compact);
  EXPECT_EQ(kept.retention_ms, -1);
  EXPECT_EQ(kept.retention_bytes, -1);
}

TEST_F(PoliciesTest, what_is_the_system_s_or_nobody_s_is_kept_for_ever) {
  auto internal = create("internal", {{"retention.ms", "1"}}, 1, true);
  auto gone = create("gone", {{"retention.ms", "1"}});
  ASSERT_TRUE(catalog->change_and_wait({catalog::PutConnector{default_tenant, "shop", {}}, catalog::DeleteTopic{default_tenant, "gone"}}));
  for (auto stream : {catalog::catalog_stream, catalog->find_connector(default_tenant, "shop")->positions, internal, gone, StreamId{1u << 30}}) EXPECT_TRUE(kept_for_ever(policy(stream))) << stream.value;
}

TEST_F(PoliciesTest, a_value_that_nobody_checked_changes_nothing) {
  EXPECT_EQ(policy(create("t", {{"retention.ms", "soon"}, {"no.such.thing", "1"}})).retention_ms, 7 * day_ms);
}

}  // namespace
}  // namespace tidemill::broker
