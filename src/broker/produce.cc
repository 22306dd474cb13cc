#include "broker/produce.h"

#include <fmt/core.h>

#include <cstring>
#include <limits>

#include "bytes/crc32c.h"
#include "bytes/cursor.h"
#include "record/batch.h"

namespace tidemill::broker {
namespace {

constexpr std::size_t length_at = 8, length_end = 12;  // batchLength in the batch, which counts what follows it
constexpr std::size_t crc_at = 17, attributes_at = 21, max_timestamp_at = 35;
constexpr std::int16_t log_append_time_bit = 0x08, delete_horizon_bit = 0x40;
constexpr std::int64_t no_timestamp = -1;
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
  if (header.attributes & log_append_time_bit)
    return {kafka::INVALID_TIMESTAMP, "Invalid timestamp type in message. Producer should not set timestamp type to LogAppendTime."};
  if (header.attributes & delete_horizon_bit) return {kafka::INVALID_RECORD, "a client may not set a delete horizon"};
  if (header.transactional()) return {kafka::INVALID_TXN_STATE, "transactions are not served"};
  if (header.producer_id >= 0 && (header.producer_epoch < 0 || header.base_sequence < 0))
    return {kafka::INVALID_RECORD, "an idempotent batch needs an epoch and a sequence number"};
  return {};
}

// The times that records may have.
struct Times {
  std::int64_t first, last;
  bool has(std::int64_t time_ms) const { return time_ms == no_timestamp || (time_ms >= first && time_ms <= last); }
};

Times times_of(const TopicRules& rules, std::int64_t now_ms) {
  constexpr auto end = std::numeric_limits<std::int64_t>::max();
  if (rules.log_append_time) return {std::numeric_limits<std::int64_t>::min(), end};
  return {now_ms - rules.timestamp_before_max_ms, rules.timestamp_after_max_ms > end - now_ms ? end : now_ms + rules.timestamp_after_max_ms};
}

// Each record by itself: a compacted topic keeps them by key, so each needs one; and its time must be within the limits.
Produced check_records(const Slice& batch, bool keyed, Times times) {
  Produced outcome;
  bool mistimed = false;
  auto records = record::BatchRecords::open(batch, Offset(0));
  if (!records) return refuse(kafka::CORRUPT_MESSAGE, records.error().text());
  for (record::RecordView record; outcome.records.size() < record_refusals_max;) {
    auto more = records->next(record);
    if (!more) return refuse(kafka::CORRUPT_MESSAGE, more.error().text());
    if (!*more) break;
    auto index = static_cast<std::int32_t>(record.offset);
    if (keyed && !record.key) {
      outcome.records.push_back({index, "Compacted topic cannot accept message without key"});
    } else if (!times.has(record.timestamp_ms)) {
      mistimed = true;
      outcome.records.push_back({index, fmt::format("Timestamp {} of message with offset {} is out of range. The timestamp should be within [{}, {}]", record.timestamp_ms, index, times.first, times.last)});
    }
  }
  if (mistimed) outcome.refusal = {kafka::INVALID_TIMESTAMP, "One or more records have been rejected due to invalid timestamp"};
  else if (!outcome.records.empty()) outcome.refusal = {kafka::INVALID_RECORD, "One or more records have been rejected"};
  return outcome;
}

// The time that the first of a batch's records has got when it was stored before.
std::int64_t stored_time(const log::Log& log, StreamId stream, Offset base) {
  auto batches = log.read(stream, base, 1);
  auto header = batches && !batches->empty() ? record::read_header(batches->front().bytes.bytes()) : Result<record::BatchHeader>(fail(Code::not_found, "trimmed"));
  return header ? header->max_timestamp : no_timestamp;
}

}  // namespace

Produced check_batch(const TopicRules& rules, std::string_view topic, const Slice& records, std::int64_t now_ms) {
  if (records.size() > rules.message_bytes_max)
    return refuse(kafka::MESSAGE_TOO_LARGE, fmt::format("a batch of {} bytes is over max.message.bytes={} of {}", records.size(), rules.message_bytes_max, topic));
  if (!one_batch(records)) return refuse(kafka::INVALID_RECORD, "exactly one record batch per partition is accepted");
  auto header = record::validate_batch(records.bytes());
  if (!header) {
    auto old_format = header.error().code == Code::unsupported && records.size() > 16 && records.bytes()[16] != std::byte{2};
    return refuse(old_format ? kafka::UNSUPPORTED_FOR_MESSAGE_FORMAT : refusal_of(header.error()).code, header.error().text());
  }
  if (auto refusal = check_header(*header)) return refuse(refusal.code, std::move(refusal.message));
  auto times = times_of(rules, now_ms);
  // Nothing is too early as long as any age may be; what is too late shows in the header.
  bool look = rules.compacted || times.first > 0 || !times.has(header->base_timestamp) || !times.has(header->max_timestamp);
  return look ? check_records(records, rules.compacted, times) : Produced{};
}

Slice with_append_time(const Slice& batch, std::int64_t time_ms) {
  std::string bytes(reinterpret_cast<const char*>(batch.bytes().data()), batch.size());
  auto put = [&](std::size_t at, auto value) {
    ByteWriter out;
    if constexpr (sizeof(value) == 8) out.i64(value);
    else if constexpr (sizeof(value) == 4) out.u32(value);
    else out.i16(value);
    auto text = out.take();
    std::memcpy(bytes.data() + at, text.data(), sizeof(value));
  };
  auto attributes = ByteReader(batch.bytes().subspan(attributes_at, 2)).i16();
  put(attributes_at, static_cast<std::int16_t>(attributes | log_append_time_bit));
  put(max_timestamp_at, time_ms);
  put(crc_at, crc32c(as_bytes(bytes).subspan(attributes_at)));
  return Slice::own(std::move(bytes));
}

Producing begin_produce(Broker& broker, world::Loop& loop, const catalog::Topic* topic, std::int32_t partition, Slice records, Acks acks) {
  if (!topic) return Producing(refuse(kafka::UNKNOWN_TOPIC_OR_PARTITION, "there is no such topic; create it, or set kafka.auto_create_topics=true"));
  if (!has_partition(*topic, partition)) return Producing(refuse(kafka::UNKNOWN_TOPIC_OR_PARTITION, fmt::format("{} has {} partitions", topic->name, topic->partitions)));
  if (topic->internal) return Producing(refuse(kafka::INVALID_TOPIC_EXCEPTION, fmt::format("{} belongs to the system", topic->name)));
  auto rules = rules_of(broker.settings, *topic);
  auto now_ms = broker.clock.now_ms();
  if (auto checked = check_batch(rules, topic->name, records, now_ms); checked.refusal) return Producing(std::move(checked));
  if (rules.log_append_time) records = with_append_time(records, now_ms);
  log::Append append;
  append.entries.push_back({topic->tenant, topic->stream(partition), std::move(records)});
  append.durability = acks == Acks::none || !rules.synced() ? log::Durability::on_write : log::Durability::synced;
  world::Once<Result<log::Appended>> answer(loop);
  broker.log.append(std::move(append), answer.setter());
  return Producing(topic->stream(partition), rules.log_append_time ? now_ms : -1, std::move(answer));
}

world::Task<Produced> Producing::finish(Producing producing, const log::Log& log) {
  auto outcome = std::move(producing.outcome_);
  if (!producing.answer_) co_return outcome;
  auto appended = co_await *producing.answer_;
  if (!appended) {
    outcome.append_time_ms = -1;
    outcome.refusal = refusal_of(appended.error());
    co_return outcome;
  }
  outcome.base = appended->base_offsets.at(0);
  outcome.log_start = log.bounds(producing.stream_).start;
  if (appended->duplicate && outcome.append_time_ms >= 0) outcome.append_time_ms = stored_time(log, producing.stream_, outcome.base);
  co_return outcome;
}

}  // namespace tidemill::broker
