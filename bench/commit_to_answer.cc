// How long after a commit does an answer count it? One session commits single-row transactions at a steady rate and notes when each COMMIT
// returned; a second thread asks the pull query over one kept-alive connection, again and again; a third, optional, consumes the topic
// through librdkafka. The count in an answer says which commits it includes. Prints one line of JSON, times in milliseconds.
//
// A commit that is seen before its COMMIT returned in our process counts as 0. The question is asked every --ask-us after the last
// answer, which is the resolution.
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "arguments.h"

namespace tidemill::bench {
namespace {

struct Plan {
  std::string conninfo, insert, ksql, query, brokers, topic;
  double rate, seconds, ask_us;
  std::size_t transactions;
};

struct Seen {
  std::vector<std::atomic<double>> committed;  // 0: not yet
  std::vector<double> answered, consumed;
  std::vector<double> question_ms;
  std::atomic<bool> all_committed = false;
  explicit Seen(std::size_t n) : committed(n), answered(n), consumed(n) {}
};

// HTTP/1.1 over one connection; understands just what it asks for: a status 200, Content-Length or chunks.
class Asker {
 public:
  explicit Asker(const std::string& address, const std::string& query) {
    auto colon = address.rfind(':');
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(std::atoi(address.c_str() + colon + 1)));
    inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr);
    socket_ = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) give_up("cannot connect to " + address);
    int on = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto body = "{\"ksql\":\"" + query + "\",\"streamsProperties\":{}}";
    request_ = "POST /query HTTP/1.1\r\nHost: " + address + "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }
  ~Asker() { close(socket_); }

  // The last number of the first row; 0 when there is no row yet.
  std::uint64_t ask() {
    for (std::size_t sent = 0; sent < request_.size();) {
      auto n = write(socket_, request_.data() + sent, request_.size() - sent);
      if (n <= 0) give_up("the server closed the connection");
      sent += static_cast<std::size_t>(n);
    }
    received_.clear();
    while (!complete()) more();
    if (!received_.starts_with("HTTP/1.1 200")) give_up("the query was refused: " + received_);
    auto columns = received_.find("\"columns\":[", received_.find("\"row\""));
    if (columns == std::string::npos) return 0;
    auto end = received_.find(']', columns);
    auto last = received_.find_last_of("[,", end);
    return std::strtoull(received_.c_str() + last + 1, nullptr, 10);
  }

 private:
  void more() {
    char buffer[16384];
    auto n = read(socket_, buffer, sizeof buffer);
    if (n <= 0) give_up("the server closed the connection");
    received_.append(buffer, static_cast<std::size_t>(n));
  }
  bool complete() const {
    auto head = received_.find("\r\n\r\n");
    if (head == std::string::npos) return false;
    auto length = received_.substr(0, head).find("ontent-Length: ");
    if (length == std::string::npos) length = received_.substr(0, head).find("ontent-length: ");
    if (length == std::string::npos) return received_.ends_with("0\r\n\r\n");
    return received_.size() >= head + 4 + std::strtoull(received_.c_str() + length + 15, nullptr, 10);
  }
  int socket_;
  std::string request_, received_;
};

void commit_all(const Plan& plan, Seen& seen) {
  auto* database = PQconnectdb(plan.conninfo.c_str());
  if (PQstatus(database) != CONNECTION_OK) give_up(PQerrorMessage(database));
  auto start = now_s();
  for (std::size_t n = 0; n < plan.transactions; ++n) {
    auto due = start + static_cast<double>(n) / plan.rate;
    if (auto wait = due - now_s(); wait > 0) std::this_thread::sleep_for(std::chrono::duration<double>(wait));
    auto* result = PQexec(database, plan.insert.c_str());
    if (PQresultStatus(result) != PGRES_COMMAND_OK) give_up(PQerrorMessage(database));
    seen.committed[n] = now_s();
    PQclear(result);
  }
  PQfinish(database);
  seen.all_committed = true;
}

void ask_until_all(const Plan& plan, Seen& seen, std::uint64_t before) {
  Asker asker(plan.ksql, plan.query);
  auto give_up_at = now_s() + plan.seconds + 60;
  for (std::size_t n = 0; n < plan.transactions;) {
    auto asked = now_s();
    auto count = asker.ask() - before;
    auto answered = now_s();
    seen.question_ms.push_back((answered - asked) * 1000);
    if (count > plan.transactions) give_up("the answer counts more than was committed");
    for (; n < count; ++n) seen.answered[n] = answered;
    if (answered > give_up_at) give_up("after a minute the answer still lacks commits");
    std::this_thread::sleep_for(std::chrono::duration<double, std::micro>(plan.ask_us));
  }
}

void consume_all(const Plan& plan, Seen& seen, std::atomic<bool>& ready) {
  char reason[512];
  auto* conf = rd_kafka_conf_new();
  for (auto [name, value] : {std::pair{"bootstrap.servers", plan.brokers.c_str()}, {"group.id", "bench"}, {"fetch.wait.max.ms", "500"}, {"fetch.min.bytes", "1"}})
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) != RD_KAFKA_CONF_OK) give_up(reason);
  auto* consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
  if (!consumer) give_up(reason);
  std::int64_t low = 0, high = 0;
  if (rd_kafka_query_watermark_offsets(consumer, plan.topic.c_str(), 0, &low, &high, 10000)) give_up("cannot read the topic's end");
  auto* topic = rd_kafka_topic_new(consumer, plan.topic.c_str(), nullptr);
  if (rd_kafka_consume_start(topic, 0, high) != 0) give_up("cannot consume");
  ready = true;
  auto give_up_at = now_s() + plan.seconds + 60;
  for (std::size_t n = 0; n < plan.transactions && now_s() < give_up_at;) {
    auto* message = rd_kafka_consume(topic, 0, 100);
    if (!message) continue;
    if (!message->err) seen.consumed[n++] = now_s();
    rd_kafka_message_destroy(message);
  }
  rd_kafka_consume_stop(topic, 0);
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(consumer);
}

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size()))) - 1)];
}

void print_percentiles(const char* name, const std::vector<double>& values) {
  std::printf(R"(,"%s_p50":%.2f,"%s_p99":%.2f,"%s_max":%.2f)", name, percentile(values, 0.5), name, percentile(values, 0.99), name, percentile(values, 1));
}

std::vector<double> latencies(const Seen& seen, const std::vector<double>& arrived) {
  std::vector<double> out;
  // The first tenth warms caches and connections.
  for (std::size_t n = arrived.size() / 10; n < arrived.size(); ++n) out.push_back(std::max(0.0, (arrived[n] - seen.committed[n]) * 1000));
  return out;
}

void run(const Plan& plan) {
  Seen seen(plan.transactions);
  auto before = Asker(plan.ksql, plan.query).ask();
  std::atomic<bool> consuming = plan.brokers.empty();
  std::thread consumer;
  if (!plan.brokers.empty()) consumer = std::thread([&] { consume_all(plan, seen, consuming); });
  while (!consuming) std::this_thread::yield();
  auto start = now_s();
  std::thread asker([&] { ask_until_all(plan, seen, before); });
  commit_all(plan, seen);
  auto committed_in = now_s() - start;
  asker.join();
  if (consumer.joinable()) consumer.join();
  std::printf(R"({"transactions":%zu,"transactions_per_s":%.1f)", plan.transactions, static_cast<double>(plan.transactions) / committed_in);
  print_percentiles("answer_ms", latencies(seen, seen.answered));
  if (!plan.brokers.empty()) print_percentiles("topic_ms", latencies(seen, seen.consumed));
  print_percentiles("question_ms", seen.question_ms);
  std::printf(R"(,"questions":%zu})"
              "\n",
              seen.question_ms.size());
}

Plan read_plan(int argc, char** argv) {
  Arguments a(argc, argv);
  Plan p{.conninfo = a.text("database", ""), .insert = a.text("insert", "INSERT INTO pulse (source) VALUES ('bench')"), .ksql = a.text("ksql", "127.0.0.1:8088"),
         .query = a.text("query", "SELECT n FROM pulses WHERE source = 'bench';"), .brokers = a.text("brokers", ""), .topic = a.text("topic", "shop.public.pulse"),
         .rate = a.number("rate", 500), .seconds = a.number("seconds", 20), .ask_us = a.number("ask-us", 200), .transactions = 0};
  p.transactions = static_cast<std::size_t>(p.rate * p.seconds);
  a.no_others();
  return p;
}

}  // namespace
}  // namespace tidemill::bench

int main(int argc, char** argv) { tidemill::bench::run(tidemill::bench::read_plan(argc, argv)); }
