// script: a chapter of a fixed story, one step after the other, each waiting for its answer: topics are made, written to and
// deleted, records from tiny to large roll one small journal file after the other, and rows go to the topic that a query reads.
// Acknowledged records go into the account; what happened to topics is told in the story file, a line before and a line after:
//   creating 3 / created 3 / deleting 1 / deleted 1 / click 17
#include "client.h"

namespace verifier {
namespace {

constexpr std::uint32_t script_partitions = 2;

class Story {
 public:
  explicit Story(const Words& words) : words_(words), acks_(words.text("acks")), run_(words.number("seed", 1)), chance_(run_) {
    fd_ = ::open(words.text("story").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd_ < 0) die("cannot open the story file");
    auto* conf = configuration(words.text("brokers"), {{"enable.idempotence", "true"}, {"acks", "all"}, {"message.timeout.ms", "0"}, {"linger.ms", "0"}});
    rd_kafka_conf_set_opaque(conf, this);
    rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t* message, void* self) { static_cast<Story*>(self)->on_answer(*message); });
    char reason[512];
    client_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (!client_) die(reason);
    queue_ = rd_kafka_queue_new(client_);
  }

  void tell(std::uint32_t first, std::uint32_t rounds) {
    auto* clicks = topic_handle(client_, "clicks");
    for (std::uint32_t round = first; round < first + rounds; ++round) {
      create(round);
      auto* topic = topic_handle(client_, topic_name(words_, round));
      for (std::uint64_t n = 0; n < 8; ++n)
        for (std::uint32_t p = 0; p < script_partitions; ++p) write(topic, {round, p}, n);
      for (int n = 0; n < 3; ++n) click(clicks);
      rd_kafka_topic_destroy(topic);
      if (round % 2 == 1) remove(round - 1);
    }
    rd_kafka_topic_destroy(clicks);
  }

  std::uint64_t steps() const { return steps_; }

 private:
  void create(std::uint32_t round) {
    say("creating", round);
    char reason[512];
    auto* topic = rd_kafka_NewTopic_new(topic_name(words_, round).c_str(), script_partitions, 1, reason, sizeof reason);
    rd_kafka_CreateTopics(client_, &topic, 1, nullptr, queue_);
    auto* event = wait_for_event();
    std::size_t count = 0;
    auto** results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    answered("create", event, results, count);
    rd_kafka_NewTopic_destroy(topic);
    say("created", round);
  }

  void remove(std::uint32_t round) {
    say("deleting", round);
    auto* topic = rd_kafka_DeleteTopic_new(topic_name(words_, round).c_str());
    rd_kafka_DeleteTopics(client_, &topic, 1, nullptr, queue_);
    auto* event = wait_for_event();
    std::size_t count = 0;
    auto** results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
    answered("delete", event, results, count);
    rd_kafka_DeleteTopic_destroy(topic);
    say("deleted", round);
  }

  rd_kafka_event_t* wait_for_event() {
    auto* event = rd_kafka_queue_poll(queue_, 30'000);
    if (!event || rd_kafka_event_error(event)) die(event ? rd_kafka_event_error_string(event) : "no answer within 30 s");
    return event;
  }

  void answered(const char* what, rd_kafka_event_t* event, const rd_kafka_topic_result_t** results, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      if (rd_kafka_topic_result_error(results[i])) die(std::string("cannot ") + what + ": " + rd_kafka_err2name(rd_kafka_topic_result_error(results[i])));
    rd_kafka_event_destroy(event);
  }

  // Up to 250 KB, so that a journal file of 1 MiB is full every now and then.
  void write(rd_kafka_topic_t* topic, Place place, std::uint64_t sequence) {
    Stamp stamp{.place = place, .sequence = sequence, .run = run_};
    auto payload = make_payload(stamp, Sizes{.usual_max = chance_.below(4) == 0 ? 250'000u : 1500u, .large_max = 0});
    if (sequence % 3 == 2) payload = make_large(stamp, 120'000);
    send(topic, static_cast<std::int32_t>(place.partition), payload.data(), payload.size());
  }

  static std::vector<char> make_large(Stamp stamp, std::uint32_t bytes) {
    stamp.filler_bytes = bytes;
    std::vector<char> payload(sizeof stamp + bytes, 'w');
    std::memcpy(payload.data(), &stamp, sizeof stamp);
    stamp.crc = checksum(payload.data(), payload.size());
    std::memcpy(payload.data(), &stamp, sizeof stamp);
    return payload;
  }

  void click(rd_kafka_topic_t* clicks) {
    auto row = "{\"page\":\"page " + std::to_string(chance_.below(20)) + "\",\"n\":1}";
    send(clicks, 0, row.data(), row.size());
    say("click", static_cast<std::uint32_t>(clicks_++));
  }

  void send(rd_kafka_topic_t* topic, std::int32_t partition, void* payload, std::size_t bytes) {
    answered_ = false;
    if (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, payload, bytes, nullptr, 0, nullptr) != 0) die(rd_kafka_err2str(rd_kafka_last_error()));
    while (!answered_) rd_kafka_poll(client_, 1000);
    ++steps_;
  }

  void on_answer(const rd_kafka_message_t& message) {
    if (message.err) die(rd_kafka_err2str(message.err));
    if (auto stamp = read_payload(message.payload, message.len)) {
      acks_.add({.place = stamp->place, .offset = message.offset, .sequence = stamp->sequence, .monotonic_ns = monotonic_ns(), .latency_us = rd_kafka_message_latency(&message)});
      acks_.settle();
    }
    answered_ = true;
  }

  void say(const char* what, std::uint32_t number) {
    auto line = std::string(what) + " " + std::to_string(number) + "\n";
    if (::write(fd_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) die("cannot write the story");
    ++steps_;
  }

  const Words& words_;
  AckFile acks_;
  std::uint64_t run_;
  Chance chance_;
  int fd_;
  rd_kafka_t* client_;
  rd_kafka_queue_t* queue_;
  bool answered_ = false;
  std::uint64_t steps_ = 0, clicks_ = 0;
};

}  // namespace

int script(const Words& words) {
  Story story(words);
  story.tell(static_cast<std::uint32_t>(words.number("first", 0)), static_cast<std::uint32_t>(words.number("rounds", 4)));
  std::printf("{\"steps\": %lu}\n", story.steps());
  std::fflush(stdout);
  ::_exit(0);
}

}  // namespace verifier
