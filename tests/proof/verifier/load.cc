// load: an idempotent producer over T topics of P partitions, at a rate, until SIGTERM or until it has sent enough. It waits for a
// server that is away, for as long as it takes. SIGINT ends it without waiting for what is unanswered.
#include <signal.h>

#include <algorithm>
#include <atomic>

#include "client.h"

namespace verifier {
namespace {

std::atomic<bool> stopping = false, abandoning = false;

void on_signal(int number) {
  stopping = true;
  if (number == SIGINT) abandoning = true;
}

class Load {
 public:
  explicit Load(const Words& words)
      : acks_(words.text("acks")),
        topics_(static_cast<std::uint32_t>(words.number("topics", 2))),
        partitions_(static_cast<std::uint32_t>(words.number("partitions", 4))),
        run_(words.number("seed", 1)),
        sizes_{words.number("usual", 1500), words.number("large", 400'000)},
        chance_(run_) {
    open(words);
    next_.resize(topics_ * partitions_);
  }

  ~Load() {
    rd_kafka_purge(client_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    for (auto* topic : handles_) rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(client_);
  }

  // Sends at `rate` a second; `count` 0 is without end.
  void run(std::uint64_t rate, std::uint64_t count) {
    auto start = monotonic_ns();
    while (!over() && (count == 0 || sent_ < count)) {
      send();
      auto due = start + static_cast<std::int64_t>(sent_ * 1'000'000'000 / rate);
      auto ahead_ms = (due - monotonic_ns()) / 1'000'000;
      if (ahead_ms < -1000) start -= ahead_ms * 1'000'000;  // after a pause of the server: on at the rate, not a flood
      poll(static_cast<int>(std::clamp<std::int64_t>(ahead_ms, 0, 50)));
    }
  }

  void drain(std::uint64_t seconds) {
    auto deadline = monotonic_ns() + static_cast<std::int64_t>(seconds) * 1'000'000'000;
    while (!abandoning && fatal_.empty() && unanswered() > 0 && monotonic_ns() < deadline) poll(20);
  }

  int report() {
    acks_.settle();
    std::sort(latencies_us_.begin(), latencies_us_.end());
    std::printf("{\"sent\": %lu, \"acked\": %lu, \"failed\": %lu, \"unanswered\": %lu, \"p50_ms\": %.2f, \"p99_ms\": %.2f}\n", sent_, acks_.counted(),
                failed_, unanswered(), latency_ms(0.5), latency_ms(0.99));
    if (!fatal_.empty()) return std::fprintf(stderr, "verifier: the producer met a fatal error: %s\n", fatal_.c_str()), 4;
    if (failed_) return 1;
    return unanswered() && !abandoning ? 3 : 0;
  }

 private:
  void open(const Words& words) {
    // 0: never give a record up. An idempotent producer that gave up would have to leave a hole.
    auto* conf = configuration(words.text("brokers"), {{"enable.idempotence", "true"}, {"acks", "all"}, {"message.timeout.ms", "0"}, {"linger.ms", words.text("linger", "2")},
                                                       {"queue.buffering.max.messages", "20000"}, {"message.max.bytes", "1000000"}});
    rd_kafka_conf_set_opaque(conf, this);
    rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t* message, void* self) { static_cast<Load*>(self)->on_answer(*message); });
    rd_kafka_conf_set_error_cb(conf, [](rd_kafka_t* client, int error, const char*, void* self) { static_cast<Load*>(self)->on_error(client, error); });
    char reason[512];
    client_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (!client_) die(reason);
    constexpr const char* codecs[] = {"none", "lz4", "zstd", "snappy", "gzip"};
    for (std::uint32_t t = 0; t < topics_; ++t) handles_.push_back(topic_handle(client_, topic_name(words, t), {{"compression.codec", codecs[t % 5]}}));
  }

  bool over() const { return stopping || !fatal_.empty() || failed_ > 0; }
  std::uint64_t unanswered() const { return sent_ - acks_.counted() - failed_; }

  void send() {
    auto which = static_cast<std::uint32_t>(chance_.below(next_.size()));
    Place place{which / partitions_, which % partitions_};
    auto payload = make_payload({.place = place, .sequence = next_[which], .run = run_}, sizes_);
    while (rd_kafka_produce(handles_[place.topic], static_cast<std::int32_t>(place.partition), RD_KAFKA_MSG_F_COPY, payload.data(), payload.size(), nullptr, 0, nullptr) != 0) {
      auto error = rd_kafka_last_error();
      if (error == RD_KAFKA_RESP_ERR__FATAL) return on_error(client_, RD_KAFKA_RESP_ERR__FATAL);
      if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL) die(rd_kafka_err2str(error));
      poll(20);
      if (over()) return;
    }
    ++next_[which];
    ++sent_;
  }

  void poll(int ms) {
    rd_kafka_poll(client_, ms);
    acks_.settle();
  }

  void on_answer(const rd_kafka_message_t& message) {
    auto stamp = read_payload(message.payload, message.len);
    if (message.err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || message.err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) return;
    if (message.err) {
      std::fprintf(stderr, "verifier: record %lu of partition %u/%u was refused: %s\n", stamp->sequence, stamp->place.topic, stamp->place.partition, rd_kafka_err2str(message.err));
      ++failed_;
      return;
    }
    auto latency_us = rd_kafka_message_latency(&message);
    acks_.add({.place = stamp->place, .offset = message.offset, .sequence = stamp->sequence, .monotonic_ns = monotonic_ns(), .latency_us = latency_us});
    latencies_us_.push_back(latency_us);
  }

  void on_error(rd_kafka_t* client, int error) {
    char reason[512] = "";
    if (error == RD_KAFKA_RESP_ERR__FATAL && rd_kafka_fatal_error(client, reason, sizeof reason)) fatal_ = reason;
  }

  double latency_ms(double part) const {
    if (latencies_us_.empty()) return 0;
    return static_cast<double>(latencies_us_[static_cast<std::size_t>(part * static_cast<double>(latencies_us_.size() - 1))]) / 1000;
  }

  AckFile acks_;
  std::uint32_t topics_, partitions_;
  std::uint64_t run_;
  Sizes sizes_;
  Chance chance_;
  rd_kafka_t* client_ = nullptr;
  std::vector<rd_kafka_topic_t*> handles_;
  std::vector<std::uint64_t> next_;  // sequence, by topic and partition
  std::uint64_t sent_ = 0, failed_ = 0;
  std::vector<std::int64_t> latencies_us_;
  std::string fatal_;
};

}  // namespace

int load(const Words& words) {
  ::signal(SIGTERM, on_signal);
  ::signal(SIGINT, on_signal);
  Load load(words);
  load.run(words.number("rate", 2000), words.number("count", 0));
  load.drain(words.number("drain", 60));
  return load.report();
}

}  // namespace verifier
