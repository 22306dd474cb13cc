// Fills a topic through librdkafka, idempotent and acks=all, as fast as it is let, and prints one line of JSON with what was acknowledged
// in which time. Every record is acknowledged before the clock stops; one refused record ends the driver.
//
// --kind random: values of --bytes bytes that do not compress. --kind events: JSON objects {"id","user","page","ms","country"} of about
// 100 bytes; ms runs through 0..999 evenly, so that a filter on it passes an exact share.
#include <librdkafka/rdkafka.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "arguments.h"

namespace tidemill::bench {
namespace {

struct Plan {
  std::string brokers, topic, kind;
  int partitions;
  std::size_t bytes;
  std::uint64_t records;
  double seconds;  // 0: until all records are sent
  double latency_rate;  // records a second; 0: as fast as possible
  std::vector<std::pair<std::string, std::string>> config;
};

Plan read_plan(int argc, char** argv) {
  Arguments a(argc, argv);
  Plan p{.brokers = a.text("brokers", "127.0.0.1:9092"), .topic = a.text("topic", "bench"), .kind = a.text("kind", "random"),
         .partitions = static_cast<int>(a.number("partitions", 1)), .bytes = static_cast<std::size_t>(a.number("bytes", 1024)),
         .records = static_cast<std::uint64_t>(a.number("records", 1e18)), .seconds = a.number("seconds", 0), .latency_rate = a.number("rate", 0), .config = {}};
  p.config = {{"bootstrap.servers", p.brokers}, {"acks", "all"}, {"enable.idempotence", "true"},
              {"linger.ms", a.text("linger-ms", "5")}, {"batch.size", a.text("batch-size", "1000000")}, {"compression.type", a.text("compression", "none")},
              {"queue.buffering.max.messages", "1000000"}, {"queue.buffering.max.kbytes", "131072"}, {"max.in.flight.requests.per.connection", "5"}};
  a.no_others();
  if (p.kind != "random" && p.kind != "events") give_up("--kind takes random or events");
  if (p.records == static_cast<std::uint64_t>(1e18) && p.seconds == 0) give_up("give --records or --seconds");
  return p;
}

struct Acknowledged {
  std::uint64_t records = 0, bytes = 0;
};

void delivered(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  if (message->err) give_up(std::string("a record was refused: ") + rd_kafka_err2str(message->err));
  auto& sum = *static_cast<Acknowledged*>(opaque);
  ++sum.records;
  sum.bytes += message->len;
}

rd_kafka_t* make_producer(const Plan& plan, Acknowledged& sum) {
  char reason[512];
  auto* conf = rd_kafka_conf_new();
  for (auto& [name, value] : plan.config)
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), reason, sizeof reason) != RD_KAFKA_CONF_OK) give_up(reason);
  rd_kafka_conf_set_dr_msg_cb(conf, delivered);
  rd_kafka_conf_set_opaque(conf, &sum);
  auto* producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
  if (!producer) give_up(reason);
  return producer;
}

// xorshift64*: the same bytes in every run.
std::uint64_t next_random(std::uint64_t& state) {
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return state * 0x2545F4914F6CDD1DULL;
}

class Values {
 public:
  explicit Values(const Plan& plan) : plan_(plan), pool_(plan.bytes + (1 << 20)) {
    for (auto& c : pool_) c = static_cast<char>(next_random(state_));
  }
  std::string_view value(std::uint64_t n) {
    if (plan_.kind == "random") return {pool_.data() + next_random(state_) % (1 << 20), plan_.bytes};
    static constexpr const char* countries[] = {"DE", "PT", "IE", "PL", "FR", "NL", "IT", "ES"};
    auto r = next_random(state_);
    auto size = std::snprintf(text_, sizeof text_, R"({"id":%)" PRIu64 R"(,"user":%)" PRIu64 R"(,"page":"/products/%)" PRIu64 R"(","ms":%)" PRIu64 R"(,"country":"%s"})", n, r % 100000,
                              (r >> 20) % 10000, n % 1000, countries[(r >> 40) % 8]);
    return {text_, static_cast<std::size_t>(size)};
  }

 private:
  const Plan& plan_;
  std::vector<char> pool_;
  char text_[256];
  std::uint64_t state_ = 88172645463325252ULL;
};

void send(rd_kafka_t* producer, rd_kafka_topic_t* topic, int partition, std::string_view value) {
  while (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, const_cast<char*>(value.data()), value.size(), nullptr, 0, nullptr) != 0) {
    if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) give_up(rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_poll(producer, 10);
  }
}

void run(const Plan& plan) {
  Acknowledged sum;
  auto* producer = make_producer(plan, sum);
  auto* topic = rd_kafka_topic_new(producer, plan.topic.c_str(), nullptr);
  Values values(plan);
  auto start = now_s();
  std::uint64_t n = 0;
  for (; n < plan.records; ++n) {
    // A batch of 256 records per partition in turn, as a sticky partitioner would.
    send(producer, topic, static_cast<int>(n / 256 % static_cast<std::uint64_t>(plan.partitions)), values.value(n));
    if (n % 64 == 0) {
      rd_kafka_poll(producer, 0);
      if (plan.seconds > 0 && now_s() - start > plan.seconds) break;
    }
    while (plan.latency_rate > 0 && now_s() < start + static_cast<double>(n) / plan.latency_rate) rd_kafka_poll(producer, 1);
  }
  if (rd_kafka_flush(producer, 120000) != 0) give_up("records were not acknowledged within two minutes");
  auto seconds = now_s() - start;
  std::printf(R"({"records":%)" PRIu64 R"(,"bytes":%)" PRIu64 R"(,"seconds":%.3f,"records_per_s":%.0f,"mb_per_s":%.1f})"
              "\n",
              sum.records, sum.bytes, seconds, static_cast<double>(sum.records) / seconds, static_cast<double>(sum.bytes) / 1e6 / seconds);
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(producer);
}

}  // namespace
}  // namespace tidemill::bench

int main(int argc, char** argv) { tidemill::bench::run(tidemill::bench::read_plan(argc, argv)); }
