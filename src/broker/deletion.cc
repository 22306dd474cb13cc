#include "broker/deletion.h"

#include <fmt/core.h>

#include "broker/topic_rules.h"

namespace tidemill::broker {

Deleting begin_delete(Broker& broker, world::Loop& loop, const catalog::Topic* topic, std::int32_t partition, std::int64_t offset) {
  if (!topic || !has_partition(*topic, partition)) return Deleting({kafka::UNKNOWN_TOPIC_OR_PARTITION, {}});
  if (topic->internal) return Deleting({kafka::INVALID_TOPIC_EXCEPTION, fmt::format("{} belongs to the system", topic->name)});
  if (!rules_of(broker.settings, *topic).deletes) return Deleting({kafka::POLICY_VIOLATION, fmt::format("{} is compacted: a record goes when its key gets a newer one", topic->name)});
  auto stream = topic->stream(partition);
  auto bounds = broker.log.bounds(stream);
  if (offset == delete_to_end) offset = bounds.end.value;
  if (offset < 0 || offset > bounds.end.value)
    return Deleting({kafka::OFFSET_OUT_OF_RANGE, fmt::format("{}-{} ends at {}", topic->name, partition, bounds.end.value)});
  log::Append append;
  append.marks.push_back({log::Mark::Kind::trim, stream, Offset(offset)});
  append.purpose = log::Purpose::control;
  world::Once<Result<log::Appended>> answer(loop);
  broker.log.append(std::move(append), answer.setter());
  return Deleting(stream, std::move(answer));
}

world::Task<Deleted> Deleting::finish(Deleting deleting, const log::Log& log) {
  if (!deleting.answer_) co_return std::move(deleting.outcome_);
  auto appended = co_await *deleting.answer_;
  Deleted outcome;
  if (appended) outcome.low_watermark = log.bounds(deleting.stream_).start;
  else outcome.refusal = refusal_of(appended.error());
  co_return outcome;
}

}  // namespace tidemill::broker
