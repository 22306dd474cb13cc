// check: reads every partition from its start to its end and holds it against the account of acknowledgements.
//
// What was acknowledged is at its offset and says its sequence. Sequences of a partition rise by one: the producer is idempotent and
// never gives a record up, so a hole would be a loss even where nothing was acknowledged, and a step back is a double. Behind the last
// acknowledged record there may be more, or not.
#include <algorithm>
#include <set>
#include <sstream>
#include <utility>

#include "client.h"

namespace verifier {
namespace {

class Partition {
 public:
  Partition(Place place, std::uint64_t run) : place_(place), run_(run) {}

  void add(const Ack& ack) { acks_.push_back(ack); }

  void prepare() {
    std::sort(acks_.begin(), acks_.end(), [](auto& a, auto& b) { return std::pair(a.offset, a.sequence) < std::pair(b.offset, b.sequence); });
    for (std::size_t i = 1; i < acks_.size(); ++i)
      if (acks_[i].offset == acks_[i - 1].offset) complain(acks_[i].offset, "was acknowledged for record " + std::to_string(acks_[i - 1].sequence) + " and for " + std::to_string(acks_[i].sequence));
  }

  void read(const rd_kafka_message_t& message) {
    if (message.offset != next_) complain(message.offset, "comes where " + std::to_string(next_) + " is expected");
    next_ = message.offset + 1;
    ++records;
    auto stamp = read_payload(message.payload, message.len);
    if (!stamp) return complain(message.offset, "holds bytes that nobody sent");
    if (stamp->place != place_ || stamp->run != run_) return complain(message.offset, "holds a record of another partition or run");
    check_sequence(message.offset, stamp->sequence);
    check_acks(message.offset, stamp->sequence);
  }

  void end() {
    while (at_ < acks_.size()) lose(acks_[at_++]);
  }

  std::int64_t next() const { return next_; }
  std::size_t acked() const { return acks_.size(); }
  std::uint64_t records = 0, acked_found = 0, lost = 0, wrong = 0;

 private:
  void check_sequence(std::int64_t offset, std::uint64_t sequence) {
    if (sequence < expected_) complain(offset, "holds record " + std::to_string(sequence) + " after " + std::to_string(expected_ - 1) + ": double, or out of order");
    if (sequence > expected_) complain(offset, "holds record " + std::to_string(sequence) + " where " + std::to_string(expected_) + " is expected");
    expected_ = std::max(expected_, sequence + 1);
  }

  void check_acks(std::int64_t offset, std::uint64_t sequence) {
    while (at_ < acks_.size() && acks_[at_].offset < offset) lose(acks_[at_++]);
    while (at_ < acks_.size() && acks_[at_].offset == offset) {
      if (acks_[at_].sequence != sequence) complain(offset, "was acknowledged for record " + std::to_string(acks_[at_].sequence) + " and holds " + std::to_string(sequence));
      else ++acked_found;
      ++at_;
    }
  }

  void lose(const Ack& ack) {
    ++lost;
    complain(ack.offset, "is missing; it was acknowledged for record " + std::to_string(ack.sequence));
  }

  void complain(std::int64_t offset, const std::string& what) {
    if (++wrong <= 5) std::fprintf(stderr, "verifier: topic %u partition %u: offset %ld %s\n", place_.topic, place_.partition, offset, what.c_str());
  }

  Place place_;
  std::uint64_t run_;
  std::vector<Ack> acks_;
  std::size_t at_ = 0;
  std::int64_t next_ = 0;
  std::uint64_t expected_ = 0;
};

std::vector<std::uint32_t> wanted_topics(const Words& words) {
  std::vector<std::uint32_t> topics;
  if (words.text("only").empty()) {
    for (std::uint32_t t = 0; t < words.number("topics", 2); ++t) topics.push_back(t);
    return topics;
  }
  std::stringstream list(words.text("only"));
  for (std::string one; std::getline(list, one, ',');) topics.push_back(static_cast<std::uint32_t>(std::stoul(one)));
  return topics;
}

class Check {
 public:
  explicit Check(const Words& words) : words_(words) {
    auto* conf = configuration(words.text("brokers"), {{"check.crcs", "true"}, {"fetch.wait.max.ms", "5"}, {"fetch.error.backoff.ms", "5"}, {"queued.min.messages", "20000"},
                                                       {"fetch.message.max.bytes", "8000000"}});
    char reason[512];
    client_ = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    if (!client_) die(reason);
    queue_ = rd_kafka_queue_new(client_);
    auto partitions = static_cast<std::uint32_t>(words.number("partitions", 4));
    for (auto topic : wanted_topics(words))
      for (std::uint32_t p = 0; p < partitions; ++p) partitions_.emplace(Place{topic, p}, Partition({topic, p}, words.number("seed", 1)));
    for (auto& ack : read_acks(words.text("acks")))
      if (auto found = partitions_.find(ack.place); found != partitions_.end()) found->second.add(ack);
    for (auto& [place, partition] : partitions_) partition.prepare();
  }

  void read_all() {
    for (auto& [place, partition] : partitions_) start(place);
    auto heard = monotonic_ns();
    while (!reading_.empty()) {
      auto* message = rd_kafka_consume_queue(queue_, 100);
      if (message) {
        heard = monotonic_ns();
        take(*message);
        rd_kafka_message_destroy(message);
      } else if (monotonic_ns() - heard > 30'000'000'000) {
        die("nothing was read for 30 s; " + std::to_string(reading_.size()) + " partitions are not at their end" + (last_error_.empty() ? "" : " (" + last_error_ + ")"));
      }
    }
    for (auto& [place, partition] : partitions_) partition.end();
  }

  int report() const {
    std::uint64_t records = 0, acked = 0, found = 0, lost = 0, wrong = 0;
    for (auto& [place, partition] : partitions_) {
      records += partition.records;
      acked += partition.acked();
      found += partition.acked_found;
      lost += partition.lost;
      wrong += partition.wrong;
    }
    std::printf("{\"records\": %lu, \"acked\": %lu, \"acked_found\": %lu, \"lost\": %lu, \"wrong\": %lu, \"ends\": [", records, acked, found, lost, wrong);
    auto comma = "";
    for (auto& [place, partition] : partitions_) std::printf("%s%ld", std::exchange(comma, ", "), partition.next());
    std::printf("]}\n");
    return wrong ? 1 : 0;
  }

 private:
  struct Reading {
    rd_kafka_topic_t* handle;
    std::int64_t end;
  };

  // The end is taken before reading: a load may go on behind it.
  void start(Place place) {
    auto name = topic_name(words_, place.topic);
    auto partition = static_cast<std::int32_t>(place.partition);
    std::int64_t low = 0, high = 0;
    if (auto error = rd_kafka_query_watermark_offsets(client_, name.c_str(), partition, &low, &high, 20'000))
      die(name + ": cannot ask for its end: " + rd_kafka_err2str(error));
    if (low != 0) die(name + " starts at " + std::to_string(low));
    if (high == 0) return;
    auto* handle = topic_handle(client_, name);
    if (rd_kafka_consume_start_queue(handle, partition, 0, queue_) != 0) die(name + ": cannot be read");
    reading_[place] = {handle, high};
  }

  void take(const rd_kafka_message_t& message) {
    if (message.err) {
      last_error_ = rd_kafka_message_errstr(&message);
      if (message.rkt) std::fprintf(stderr, "verifier: %s/%d: %s\n", rd_kafka_topic_name(message.rkt), message.partition, last_error_.c_str());
      if (message.err == RD_KAFKA_RESP_ERR_INVALID_MSG || message.err == RD_KAFKA_RESP_ERR__BAD_MSG) die("a batch is damaged");
      return;
    }
    auto place = place_of(message);
    auto reading = reading_.find(place);
    if (reading == reading_.end()) return;  // behind the end that was asked for
    auto& partition = partitions_.at(place);
    partition.read(message);
    if (partition.next() < reading->second.end) return;
    rd_kafka_consume_stop(reading->second.handle, message.partition);
    reading_.erase(reading);
  }

  Place place_of(const rd_kafka_message_t& message) const {
    std::string name = rd_kafka_topic_name(message.rkt);
    return {static_cast<std::uint32_t>(std::stoul(name.substr(words_.text("prefix", "proof-").size()))), static_cast<std::uint32_t>(message.partition)};
  }

  const Words& words_;
  rd_kafka_t* client_;
  rd_kafka_queue_t* queue_;
  std::map<Place, Partition> partitions_;
  std::map<Place, Reading> reading_;
  std::string last_error_;
};

}  // namespace

int check(const Words& words) {
  Check check(words);  // its handles go with the process: messages in the queue may still name them
  check.read_all();
  auto code = check.report();
  std::fflush(stdout);
  ::_exit(code);
}

}  // namespace verifier
