// What every part of this room works on. Made once by the program, outlives every connection; all of it may be used from any shard.
#pragma once

#include <cstdint>
#include <string>

#include "catalog/catalog.h"
#include "log/log.h"
#include "wire/kafka/errors.h"
#include "world/clock.h"

namespace tidemill::broker {

using kafka::ErrorCode;

struct Settings {
  std::int32_t partitions_default = 1;       // num.partitions: of a topic made without saying how many
  std::int32_t partitions_max = 10'000;      // of one topic
  bool auto_create_topics = true;            // auto.create.topics.enable: a Metadata request may make a topic
  std::int32_t node_id = 1;
  std::size_t fetch_bytes_max = 55u << 20;   // fetch.max.bytes: of one response
  std::int32_t fetch_wait_ms_max = 60'000;   // a longer wish is shortened to this
  // Of topics that do not say otherwise.
  std::int64_t retention_ms = 604'800'000;        // log.retention.ms; -1: for ever
  std::int64_t retention_bytes = -1;              // log.retention.bytes, of one partition; -1: any number
  std::int64_t delete_retention_ms = 86'400'000;  // log.cleaner.delete.retention.ms
  std::size_t message_bytes_max = 1'048'588;      // message.max.bytes
};

struct Broker {
  catalog::Catalog& catalog;
  log::Log& log;
  world::Clock& clock;
  Settings settings;
};

using TopicRef = std::shared_ptr<const catalog::Topic>;

// How a request, or one part of it, ended, in Kafka's terms; `message` says more when there is more to say.
struct Refusal {
  ErrorCode code = kafka::NONE;
  std::string message;
  explicit operator bool() const { return code != kafka::NONE; }
};

inline bool has_partition(const catalog::Topic& topic, std::int32_t partition) { return partition >= 0 && partition < topic.partitions; }

// An append's failure as a producer sees it. A full disk is KAFKA_STORAGE_ERROR, which clients retry.
Refusal refusal_of(const Error& error);

}  // namespace tidemill::broker
