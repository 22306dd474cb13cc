#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "observe/log.h"
#include "observe/metrics.h"

namespace tidemill::observe {
namespace {

std::string captured;

class LogTest : public testing::Test {
 protected:
  void use(Level level, Format format) {
    captured.clear();
    LogTarget target;
    target.level = level;
    target.format = format;
    target.now_ms = [] { return std::int64_t{1700000000123}; };
    target.write = [](std::string_view line) { captured += line; };
    set_log_target(target);
  }
  void TearDown() override { set_log_target({}); }
};

TEST_F(LogTest, a_json_line_has_the_schemas_keys_and_the_fields) {
  use(Level::info, Format::json);
  log_info("listener.started", {{"listener", "kafka"}, {"port", 9092}, {"open", true}, {"load", 0.5}});
  EXPECT_EQ(captured,
            R"({"@timestamp":"2023-11-14T22:13:20.123Z","log.level":"info","message":"listener.started","ecs.version":"8.11.0","service.name":"tidemill",)"
            R"("listener":"kafka","port":9092,"open":true,"load":0.5})"
            "\n");
}

TEST_F(LogTest, a_value_cannot_start_a_line_of_its_own) {
  for (auto format : {Format::json, Format::text}) {
    use(Level::info, format);
    log_warn("client.said", {{"text", std::string("a\n{\"log.level\":\"error\"}\r\x1b[31m\"\\")}});
    EXPECT_EQ(std::count(captured.begin(), captured.end(), '\n'), 1);
    EXPECT_NE(captured.find(R"(a\n{\"log.level\":\"error\"}\u000d\u001b[31m\"\\)"), std::string::npos) << captured;
  }
}

TEST_F(LogTest, levels_below_the_chosen_one_are_silent) {
  use(Level::warn, Format::text);
  log_info("quiet");
  EXPECT_EQ(captured, "");
  log_error("loud", {{"n", 1}});
  EXPECT_EQ(captured, "2023-11-14T22:13:20.123Z error loud n=1\n");
}

TEST(Metrics, counters_of_many_threads_add_up) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      auto& counter = metrics.counter("tidemill_kafka_requests_total", {{"api", "Produce"}});
      for (int n = 0; n < 10000; ++n) counter.add();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(metrics.counter("tidemill_kafka_requests_total", {{"api", "Produce"}}).value(), 40000u);
}

TEST(Metrics, the_exposition_is_prometheus_text) {
  Metrics metrics;
  metrics.counter("tidemill_flow_rows_in_total", {{"query", "a\"b\\c\nd"}}).add(3);
  metrics.gauge("tidemill_kafka_connections").set(2);
  auto& histogram = metrics.histogram("tidemill_log_sync_duration_seconds");
  histogram.observe(0.001);
  histogram.observe(0.3);
  histogram.observe(100);
  auto text = metrics.exposition();
  EXPECT_NE(text.find("# TYPE tidemill_flow_rows_in_total counter\ntidemill_flow_rows_in_total{query=\"a\\\"b\\\\c\\nd\"} 3\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\ntidemill_kafka_connections 2\n"), std::string::npos);
  EXPECT_NE(text.find("_seconds_bucket{le=\"0.001\"} 1\n"), std::string::npos) << "a bound belongs to its bucket";
  EXPECT_NE(text.find("_seconds_bucket{le=\"0.5\"} 2\n"), std::string::npos);
  EXPECT_NE(text.find("_seconds_bucket{le=\"+Inf\"} 3\ntidemill_log_sync_duration_seconds_sum 100.301\ntidemill_log_sync_duration_seconds_count 3\n"), std::string::npos);
  EXPECT_EQ(text.find("tidemill_log_groups_total"), std::string::npos) << "never looked up";
}

TEST(Metrics, names_chosen_by_users_cannot_fill_the_memory) {
  Metrics metrics;
  for (int i = 0; i < 3000; ++i) metrics.counter("tidemill_flow_rows_in_total", {{"query", std::to_string(i)}}).add();
  auto text = metrics.exposition();
  EXPECT_LE(std::count(text.begin(), text.end(), '\n'), 1003);
  EXPECT_NE(text.find("{query=\"other\"} 2000\n"), std::string::npos);
}

TEST(MetricsDeathTest, a_metric_that_is_not_in_the_spec_stops_the_program) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  Metrics metrics;
  EXPECT_DEATH(metrics.counter("tidemill_unheard_of_total"), "not in spec/metrics.toml");
  EXPECT_DEATH(metrics.gauge("tidemill_kafka_requests_total", {{"api", "x"}}), "another type");
  EXPECT_DEATH(metrics.counter("tidemill_kafka_requests_total", {{"client", "x"}}), "needs the label api");
}

TEST(Metrics, the_page_in_docs_is_up_to_date) {
  std::string command = "python3 -B " TIDEMILL_SOURCE_DIR "/tools/generate_metrics.py --check-docs " TIDEMILL_SOURCE_DIR "/docs/metrics.md";
  EXPECT_EQ(std::system(command.c_str()), 0) << "run: python3 tools/generate_metrics.py --docs docs/metrics.md";
}

}  // namespace
}  // namespace tidemill::observe
