#include "broker/offsets.h"

#include "broker/fetch.h"
#include "record/batch.h"

namespace tidemill::broker {
namespace {

struct Found {
  Offset offset;
  std::int64_t timestamp;
};

// The first record of the batch at or after `time_ms` that is not trimmed. A batch whose header promised a later time than any record has is
// the producer's mistake; its last record is the nearest truth.
Result<Found> find_in_batch(const log::StoredBatch& batch, Offset start, std::int64_t time_ms) {
  TRY_ASSIGN(records, record::BatchRecords::open(batch.bytes, batch.base));
  Found found{batch.base, -1};
  for (record::RecordView record;;) {
    TRY_ASSIGN(more, records.next(record));
    if (!more) return found;
    if (record.offset < start.value) continue;
    found = {Offset(record.offset), record.timestamp_ms};
    if (record.timestamp_ms >= time_ms) return found;
  }
}

// The greatest timestamp in the stream: the last time for which the log still finds a batch. 62 look-ups; asked for rarely.
Result<std::optional<std::int64_t>> greatest_time(const log::Log& log, StreamId stream) {
  TRY_ASSIGN(any, log.find_by_time(stream, 0));
  if (!any) return std::optional<std::int64_t>();
  std::int64_t has = 0, has_not = INT64_MAX;
  while (has_not - has > 1) {
    auto middle = has + (has_not - has) / 2;
    TRY_ASSIGN(batch, log.find_by_time(stream, middle));
    (batch ? has : has_not) = middle;
  }
  return std::optional(has);
}

FoundOffset by_time(const log::Log& log, StreamId stream, std::int64_t time_ms, FoundOffset found) {
  auto batch = log.find_by_time(stream, time_ms);
  if (batch && !*batch) return found;  // no record is that late: -1, never 0
  auto record = batch ? find_in_batch(**batch, log.bounds(stream).start, time_ms) : Result<Found>(batch.error());
  if (!record) {
    found.error = refusal_of(record.error()).code;
    return found;
  }
  found.offset = record->offset;
  found.timestamp = record->timestamp;
  return found;
}

}  // namespace

FoundOffset list_offset(const Broker& broker, const catalog::Topic* topic, std::int32_t partition, std::int64_t timestamp,
                        std::int32_t believed_epoch) {
  FoundOffset found;
  if (!topic || !has_partition(*topic, partition)) {
    found.error = kafka::UNKNOWN_TOPIC_OR_PARTITION;
    return found;
  }
  auto stream = topic->stream(partition);
  auto bounds = broker.log.bounds(stream);
  found.error = check_leader_epoch(believed_epoch, bounds.leader_epoch);
  if (found.error != kafka::NONE) return found;
  found.leader_epoch = bounds.leader_epoch;
  if (timestamp == latest_timestamp) found.offset = bounds.end;
  if (timestamp == earliest_timestamp) found.offset = bounds.start;
  if (timestamp == max_timestamp) {
    auto time = greatest_time(broker.log, stream);
    if (!time) found.error = refusal_of(time.error()).code;
    else if (*time) return by_time(broker.log, stream, **time, found);
  }
  if (timestamp < max_timestamp) found.error = kafka::UNSUPPORTED_VERSION;
  return timestamp >= 0 ? by_time(broker.log, stream, timestamp, found) : found;
}

}  // namespace tidemill::broker
