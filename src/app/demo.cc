#include "app/demo.h"

#include <fmt/core.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "app/child_process.h"
#include "app/private_postgres.h"
#include "app/server.h"
#include "app/shop.h"

namespace tidemill::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr const char* statements = R"(
CREATE STREAM IF NOT EXISTS orders (id BIGINT, customer_id BIGINT, product_id BIGINT, quantity INT, amount DOUBLE, status VARCHAR)
  WITH (KAFKA_TOPIC='shop.public.orders', VALUE_FORMAT='DEBEZIUM_JSON', PARTITIONS=1);
CREATE STREAM IF NOT EXISTS pulse (id BIGINT, source VARCHAR)
  WITH (KAFKA_TOPIC='shop.public.pulse', VALUE_FORMAT='DEBEZIUM_JSON', PARTITIONS=1);
SET 'auto.offset.reset'='earliest';
CREATE TABLE IF NOT EXISTS orders_by_status AS
  SELECT status, COUNT(*) AS orders, SUM(amount) AS amount FROM orders GROUP BY status EMIT CHANGES;
CREATE TABLE IF NOT EXISTS pulses AS SELECT source, COUNT(*) AS beats FROM pulse GROUP BY source EMIT CHANGES;
)";
constexpr const char* answer_query = "SELECT status, orders, amount FROM orders_by_status;";
constexpr const char* pulse_query = "SELECT source, beats FROM pulses WHERE source = 'demo';";

std::map<std::string, std::string> connector_config(const PrivatePostgres& postgres) {
  return {{"connector.class", "io.debezium.connector.postgresql.PostgresConnector"},
          {"database.hostname", "127.0.0.1"},
          {"database.port", std::to_string(postgres.port())},
          {"database.user", postgres.user()},
          {"database.password", "unused"},
          {"database.dbname", "postgres"},
          {"topic.prefix", "shop"},
          {"plugin.name", "pgoutput"},
          {"slot.name", "tidemill_demo"},
          {"publication.name", "tidemill_demo"},
          {"decimal.handling.mode", "double"},
          {"key.converter.schemas.enable", "false"},
          {"value.converter.schemas.enable", "false"}};
}

struct Example {
  std::string says;
  std::string command;
};

std::vector<Example> examples(const Server& server, const PrivatePostgres& postgres) {
  auto& at = server.addresses();
  std::vector<Example> all;
  auto address = [&](const char* name) { return at.contains(name) ? at.at(name).text() : std::string(); };
  if (auto kafka = address("kafka"); !kafka.empty())
    all.push_back({"the newest change of table orders, as any Kafka client sees it", fmt::format("kcat -b {} -C -t shop.public.orders -o -1 -c 1 -q", kafka)});
  if (auto ksql = address("ksql"); !ksql.empty())
    all.push_back({"what the streaming SQL has made of all of them, this moment",
                   fmt::format("curl -s http://{}/query -d '{{\"ksql\":\"{}\"}}'", ksql, answer_query)});
  if (auto connect = address("connect"); !connect.empty())
    all.push_back({"how the connector is", fmt::format("curl -s http://{}/connectors/shop/status", connect)});
  all.push_back({"the same question to the shop's own database, which has gone on meanwhile",
                 fmt::format("psql -h 127.0.0.1 -p {} -U {} -c 'SELECT status, count(*), sum(amount) FROM orders GROUP BY 1'", postgres.port(), postgres.user())});
  return all;
}

std::string first_lines(const std::string& text, int lines, std::size_t width) {
  std::string out;
  std::size_t at = 0;
  for (int i = 0; i < lines && at < text.size(); ++i) {
    auto end = std::min(text.find('\n', at), text.size());
    auto line = text.substr(at, end - at);
    if (!line.empty()) out += "      " + (line.size() > width ? line.substr(0, width) + "..." : line) + "\n";
    at = end + 1;
  }
  return out;
}

void show(const Server& server, const PrivatePostgres& postgres, const std::string& dir) {
  fmt::print("\nTidemill is running; its data are in {}\n\n", dir);
  for (auto& [name, address] : server.addresses()) fmt::print("  {:<10} {}\n", name, name == "kafka" ? address.text() : "http://" + address.text());
  fmt::print("  {:<10} 127.0.0.1:{} (the shop's own database)\n\nTry in another terminal:\n", "source", postgres.port());
  for (auto& e : examples(server, postgres)) {
    fmt::print("\n  # {}\n  {}\n{}", e.says, e.command, first_lines(output_of(e.command, 4096, 5), 6, 140));
  }
  fmt::print("\nCtrl-C stops everything; the data stay.\n\n");
  std::fflush(stdout);
}

// Commits a row and waits for the answer that counts it; milliseconds, or nothing when it did not come.
std::optional<double> commit_to_answer(Server& server, const std::string& conninfo) {
  auto before = server.pull_number(pulse_query).value_or(0);
  if (auto committed = beat(conninfo); !committed) return std::nullopt;
  auto start = steady_clock::now();  // the commit has returned
  while (steady_clock::now() - start < milliseconds(2000)) {
    if (auto now = server.pull_number(pulse_query); now && *now > before)
      return std::chrono::duration<double, std::milli>(steady_clock::now() - start).count();
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return std::nullopt;
}

void live_line(Server& server, const std::string& conninfo, const std::atomic<bool>& stop_wanted) {
  bool terminal = isatty(STDOUT_FILENO);
  auto last = server.progress();
  auto then = steady_clock::now();
  while (!stop_wanted) {
    for (int i = 0; i < (terminal ? 10 : 50) && !stop_wanted; ++i) std::this_thread::sleep_for(milliseconds(100));
    auto latency = commit_to_answer(server, conninfo);
    auto now = server.progress();
    auto seconds = std::chrono::duration<double>(steady_clock::now() - then).count();
    auto rate = [&](std::uint64_t a, std::uint64_t b) { return static_cast<double>(a - b) / seconds; };
    fmt::print("{}captured {:.0f}/s  appended {:.0f}/s  processed {:.0f}/s  commit to answer {}{}", terminal ? "\r  " : "  ", rate(now.captured, last.captured),
               rate(now.appended, last.appended), rate(now.processed, last.processed), latency ? fmt::format("{:.1f} ms", *latency) : "(waiting)", terminal ? "   " : "\n");
    std::fflush(stdout);
    last = now;
    then = steady_clock::now();
  }
  fmt::print("\n");
}

}  // namespace

std::string default_demo_dir() {
  if (geteuid() == 0) return "/var/lib/tidemill-demo";
  if (auto* data = std::getenv("XDG_DATA_HOME"); data && *data) return std::string(data) + "/tidemill-demo";
  auto* home = std::getenv("HOME");
  return std::string(home && *home ? home : "/tmp") + "/.local/share/tidemill-demo";
}

Result<void> run_demo(const settings::Settings& settings, const std::string& dir, int transactions_per_second, const std::atomic<bool>& stop_wanted) {
  TRY_ASSIGN(postgres, PrivatePostgres::start(dir + "/postgres"));
  TRY(Shop::open(postgres->conninfo()));
  TRY_ASSIGN(server, Server::start(settings));
  TRY(server->put_connector("shop", connector_config(*postgres)));
  TRY(server->execute(statements));
  Shop shop(postgres->conninfo(), transactions_per_second);
  // The examples show answers, so wait for the first.
  for (int i = 0; i < 100 && !stop_wanted && !commit_to_answer(*server, postgres->conninfo()); ++i) std::this_thread::sleep_for(milliseconds(100));
  show(*server, *postgres, dir);
  live_line(*server, postgres->conninfo(), stop_wanted);
  server->stop();
  return {};
}

}  // namespace tidemill::app
