// Giving up the beginning of a partition on a client's word (DeleteRecords).
#pragma once

#include "broker/broker.h"
#include "world/task.h"

namespace tidemill::broker {

inline constexpr std::int64_t delete_to_end = -1;

struct Deleted {
  Refusal refusal;
  Offset low_watermark{-1};  // the first record that is left
};

// A deletion on its way: refused at once, or waiting for the log. Several may be on their way together.
class Deleting {
 public:
  explicit Deleting(Refusal refusal) { outcome_.refusal = std::move(refusal); }
  Deleting(StreamId stream, world::Once<Result<log::Appended>> answer) : stream_(stream), answer_(std::move(answer)) {}

  // Await once.
  static world::Task<Deleted> finish(Deleting deleting, const log::Log& log);

 private:
  Deleted outcome_;
  StreamId stream_;
  std::optional<world::Once<Result<log::Appended>>> answer_;
};

// Records before `offset` go; `delete_to_end`: all there are now. An offset that is gone already changes nothing and is no error.
Deleting begin_delete(Broker& broker, world::Loop& loop, const catalog::Topic* topic, std::int32_t partition, std::int64_t offset);

}  // namespace tidemill::broker
