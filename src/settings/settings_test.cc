#include "settings/settings.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace tidemill::settings {
namespace {

std::string error_of(const Result<void>& result) { return result ? "" : result.error().text(); }

TEST(Settings, nested_and_dotted_keys_and_overrides_reach_their_fields) {
  Settings s;
  ASSERT_EQ(error_of(apply_yaml(s, "kafka:\n  listen: '[::1]:0'\n  auto_create_topics: false\nlog.tail_cache_bytes: 2MiB\nksql: {service.id: x_}\nhttp:\n  hosts_allowed: [a, b]\n", "f")), "");
  EXPECT_EQ(s.kafka_listen, (ListenAddress{"::1", 0, false}));
  EXPECT_FALSE(s.kafka_auto_create_topics);
  EXPECT_EQ(s.log_tail_cache_bytes, 2u << 20);
  EXPECT_EQ(s.ksql_service_id, "x_");
  EXPECT_EQ(s.http_hosts_allowed, (std::vector<std::string>{"a", "b"}));
  ASSERT_EQ(error_of(apply_override(s, "kafka.listen=off")), "");
  EXPECT_TRUE(s.kafka_listen.off);
  ASSERT_EQ(error_of(apply_override(s, "flow.snapshot_interval_ms=2s")), "");
  EXPECT_EQ(s.flow_snapshot_interval_ms, std::chrono::seconds(2));
  ASSERT_EQ(error_of(apply_override(s, "http.hosts_allowed=x , y,")), "");
  EXPECT_EQ(s.http_hosts_allowed, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(s.registry_listen, (ListenAddress{"127.0.0.1", 8081, false})) << "what is not named keeps its default";
  EXPECT_EQ(error_of(apply_yaml(s, "", "empty.yaml")), "");
}

TEST(Settings, an_unknown_name_is_refused_with_its_line_and_the_nearest_one) {
  Settings s;
  EXPECT_EQ(error_of(apply_yaml(s, "log:\n  tail_cache_bytes: 1MiB\nkafka:\n  lisen: off\n", "c.yaml")),
            "c.yaml:4: there is no setting \"kafka.lisen\"; did you mean kafka.listen? docs/settings.md lists them");
  EXPECT_EQ(s.log_tail_cache_bytes, Settings().log_tail_cache_bytes) << "a file is taken whole or not at all";
  EXPECT_EQ(error_of(apply_override(s, "htp.listen=off")), "there is no setting \"htp.listen\"; did you mean http.listen? docs/settings.md lists them");
  EXPECT_NE(error_of(apply_override(s, "nonsense")), "");
}

TEST(Settings, a_wrong_value_names_the_setting_the_value_and_what_is_accepted) {
  Settings s;
  EXPECT_EQ(error_of(apply_override(s, "kafka.default_partitions=0")), "kafka.default_partitions: \"0\" is not a number from 1 to 10000");
  EXPECT_EQ(error_of(apply_override(s, "log.group_bytes_max=4MB extra")), "log.group_bytes_max: \"4MB extra\" is not a size (such as 64MiB) from 64KiB to 64MiB");
  EXPECT_EQ(error_of(apply_override(s, "observe.log_level=loud")), "observe.log_level: \"loud\" is not one of debug, info, warn, error");
  EXPECT_EQ(error_of(apply_yaml(s, "a:\n- b: [\n", "c.yaml")).substr(0, 7), "c.yaml:");
  for (auto bad : {"kafka.listen=", "kafka.listen=9092", "kafka.listen=h:99999", "kafka.auto_create_topics=yes", "http.idle_timeout=10 lightyears",
                   "kafka.frame_bytes_max=99999999999999TiB", "kafka.frame_bytes_max=-1"}) {
    EXPECT_NE(error_of(apply_override(s, bad)), "") << bad;
  }
  EXPECT_EQ(error_of(apply_yaml(s, "kafka: {listen: off}\nkafka.listen: off", "c")), "c:2: kafka.listen is set twice");
  EXPECT_EQ(error_of(apply_yaml(s, "kafka:\n  listen:\n", "c")).substr(0, 2), "c:");
}

TEST(Settings, listening_beyond_this_machine_is_refused) {
  for (auto open : {"0.0.0.0:0", "[::]:0", "10.0.0.1:1", "127.evil.example:1", "example.com:1"}) {
    Settings s;
    ASSERT_EQ(error_of(apply(s, "ksql.listen", open)), "");
    auto checked = check(s);
    ASSERT_FALSE(checked) << open;
    EXPECT_EQ(checked.error().code, Code::refused);
  }
  EXPECT_EQ(error_of(check(Settings())), "");
}

TEST(Settings, two_listeners_cannot_have_one_port) {
  Settings s;
  ASSERT_TRUE(apply_override(s, "ksql.listen=127.0.0.1:8083"));
  EXPECT_EQ(error_of(check(s)), "connect.listen and ksql.listen are both 127.0.0.1:8083; give each its own port, or turn one off");
}

TEST(Settings, all_are_shown_with_what_was_changed) {
  Settings s;
  ASSERT_TRUE(apply_override(s, "runtime.shards=3"));
  for (auto& each : shown(s)) EXPECT_EQ(each.is_default, each.name != "runtime.shards") << each.name;
}

TEST(Settings, the_page_in_docs_is_up_to_date) {
  std::string command = "python3 -B " TIDEMILL_SOURCE_DIR "/tools/generate_settings.py --check-docs " TIDEMILL_SOURCE_DIR "/docs/settings.md";
  EXPECT_EQ(std::system(command.c_str()), 0) << "run: python3 tools/generate_settings.py --docs docs/settings.md";
}

}  // namespace
}  // namespace tidemill::settings
