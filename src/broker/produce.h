// Producing: one partition's batch is checked and handed to the log as it came, a slice of the frame it lies in.
//
// begin_produce() never waits, so a connection can begin request after request and the log gathers them into one sync;
// the answers are awaited in order afterwards.
#pragma once

#include <optional>
#include <vector>

#include "broker/topic_rules.h"
#include "world/task.h"

namespace tidemill::broker {

enum class Acks : std::int16_t { none = 0, leader = 1, all = -1 };  // leader and all are the same here: on disk

struct RecordRefusal {
  std::int32_t index;  // of the record in its batch
  std::string message;
};

struct Produced {
  Refusal refusal;
  Offset base{-1};
  Offset log_start{-1};
  std::int64_t append_time_ms = -1;    // what the records got as their time; -1: they keep the producer's
  std::vector<RecordRefusal> records;  // what is wrong with single records
};

// A produce on its way: refused at once, or waiting for the log.
class Producing {
 public:
  explicit Producing(Produced refused) : outcome_(std::move(refused)) {}
  Producing(StreamId stream, std::int64_t append_time_ms, world::Once<Result<log::Appended>> answer) : stream_(stream), answer_(std::move(answer)) {
    outcome_.append_time_ms = append_time_ms;
  }

  // Await once.
  static world::Task<Produced> finish(Producing producing, const log::Log& log);

 private:
  Produced outcome_;
  StreamId stream_;
  std::optional<world::Once<Result<log::Appended>>> answer_;
};

// `records` is what the producer sent for this partition: exactly one record batch.
Producing begin_produce(Broker& broker, world::Loop& loop, const catalog::Topic* topic, std::int32_t partition, Slice records, Acks acks);

// The checks alone. No copy, and no decompression unless each record must be looked at: in a compacted topic it needs a key, and its time may
// be too far from now.
Produced check_batch(const TopicRules& rules, std::string_view topic, const Slice& records, std::int64_t now_ms);

// A copy whose records all have this time (message.timestamp.type=LogAppendTime).
Slice with_append_time(const Slice& batch, std::int64_t time_ms);

}  // namespace tidemill::broker
