#include "broker/produce.h"

#include <fmt/core.h>

#include "broker/topic_configs.h"
#include "bytes/cursor.h"
#include "record/batch.h"

namespace tidemill::broker {
namespace {

constexpr std::size_t length_at = 8, length_end = 12;  // batchLength in the batch, which counts what follows it
constexpr std::size_t record_refusals_max = 100;

Produced refuse(ErrorCode code, std::string message) {
  Produced refused;
  refused.refusal = {code, std::move(message)};
  return refused;
}

// Kafka takes exactly one batch per partition since Produce v3.
bool one_batch(const Slice& records) {
  if (records.size() < record::batch_header_bytes) return true;  // read_header says what is wrong
  ByteReader in(records.bytes().subspan(length_at, length_end - length_at));
  return static_cast<std::int64_t>(in.i32()) + static_cast<std::int64_t>(length_end) >= static_cast<std::int64_t>(records.size());
}

Refusal check_header(const record::BatchHeader& header) {
  if (header.control()) return {kafka::INVALID_RECORD, "a client may not write control batches"};
  if (header.transactional()) return {kafka::INVALID_TXN_STATE, "transactions are not served"};
  if (header.producer_id >= 0 && (header.producer_epoch < 0 || header.base_sequence < 0))
    return {kafka::INVALID_RECORD, "an idempotent batch needs an epoch and a sequence number"};
  return {};
}

// A compacted topic keeps records by key, so each needs one.
Produced check_keys(const Slice& batch) {
  Produced outcome;
  auto records = record::BatchRecords::open(batch, Offset(0));
  if (!records) return refuse(kafka::CORRUPT_MESSAGE, records.error().text());
  for (record::RecordView record; outcome.records.size() < record_refusals_max;) {
    auto more = records->next(record);
    if (!more) return refuse(kafka::CORRUPT_MESSAGE, more.error().text());
    if (!*more) break;
    if (!record.key) outcome.records.push_back({static_cast<std::int32_t>(record.offset), "Compacted topic cannot accept message without key"});
  }
  if (!outcome.records.empty()) outcome.refusal = {kafka::INVALID_RECORD, "One or more records have been rejected"};
  return outcome;
}

}  // namespace

Produced check_batch(const catalog::Topic& topic, const Slice& records) {
  auto bytes_max = static_cast<std::size_t>(topic_config_number(topic, "max.message.bytes"));
  if (records.size() > bytes_max)
    return refuse(kafka::MESSAGE_TOO_LARGE, fmt::format("a batch of {} bytes is over max.message.bytes={} of {}", records.size(), bytes_max, topic.name));
  if (!one_batch(records)) return refuse(kafka::INVALID_RECORD, "exactly one record batch per partition is accepted");
  auto header = record::validate_batch(records.bytes());
  if (!header) {
    auto old_format = header.error().code == Code::unsupported && records.size() > 16 && records.bytes()[16] != std::byte{2};
    return refuse(old_format ? kafka::UNSUPPORTED_FOR_MESSAGE_FORMAT : refusal_of(header.error()).code, header.error().text());
  }
  if (auto refusal = check_header(*header)) return refuse(refusal.code, std::move(refusal.message));
  return compacted(topic) ? check_keys(records) : Produced{};
}

Producing begin_produce(Broker& broker, world::Loop& loop, const catalog::Topic* topic, std::int32_t partition, Slice records, Acks acks) {
  if (!topic) return Producing(refuse(kafka::UNKNOWN_TOPIC_OR_PARTITION, "there is no such topic; create it, or set kafka.auto_create_topics=true"));
  if (!has_partition(*topic, partition)) return Producing(refuse(kafka::UNKNOWN_TOPIC_OR_PARTITION, fmt::format("{} has {} partitions", topic->name, topic->partitions)));
  if (topic->internal) return Producing(refuse(kafka::INVALID_TOPIC_EXCEPTION, fmt::format("{} belongs to the system", topic->name)));
  if (auto checked = check_batch(*topic, records); checked.refusal) return Producing(std::move(checked));
  log::Append append;
  append.entries.push_back({topic->tenant, topic->stream(partition), std::move(records)});
  append.durability = acks == Acks::none ? log::Durability::on_write : log::Durability::synced;
  world::Once<Result<log::Appended>> answer(loop);
  broker.log.append(std::move(append), answer.setter());
  return Producing(topic->stream(partition), std::move(answer));
}

world::Task<Produced> Producing::finish(Producing producing, const log::Log& log) {
  if (!producing.answer_) co_return std::move(producing.outcome_);
  auto appended = co_await *producing.answer_;
  Produced outcome;
  if (!appended) {
    outcome.refusal = refusal_of(appended.error());
    co_return outcome;
  }
  outcome.base = appended->base_offsets.at(0);
  outcome.log_start = log.bounds(producing.stream_).start;
  co_return outcome;
}

}  // namespace tidemill::broker
