// Producing: one partition's batch is checked and handed to the log as it came, a slice of the frame it lies in.
//
// begin_produce() never waits, so a connection can begin request after request and the log gathers them into one sync;
// the answers are awaited in order afterwards.
#pragma once

#include <optional>
#include <vector>

#include "broker/broker.h"
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
  std::vector<RecordRefusal> records;  // what is wrong with single records
};

// A produce on its way: refused at once, or waiting for the log.
class Producing {
 public:
  explicit Producing(Produced refused) : outcome_(std::move(refused)) {}
  Producing(StreamId stream, world::Once<Result<log::Appended>> answer) : stream_(stream), answer_(std::move(answer)) {}

  // Await once.
  static world::Task<Produced> finish(Producing producing, const log::Log& log);

 private:
  Produced outcome_;
  StreamId stream_;
  std::optional<world::Once<Result<log::Appended>>> answer_;
};

// `records` is what the producer sent for this partition: exactly one record batch.
Producing begin_produce(Broker& broker, world::Loop& loop, const catalog::Topic* topic, std::int32_t partition, Slice records, Acks acks);

// The checks alone. No copy, and no decompression unless the topic is compacted (each record needs a key then).
Produced check_batch(const catalog::Topic& topic, const Slice& records);

}  // namespace tidemill::broker
