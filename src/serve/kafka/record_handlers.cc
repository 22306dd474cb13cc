// Produce, Fetch, ListOffsets, DeleteRecords, InitProducerId: records in and out.
#include <fmt/core.h>

#include "broker/deletion.h"
#include "broker/offsets.h"
#include "broker/produce.h"
#include "record/batch.h"
#include "serve/kafka/handlers.h"

namespace tidemill::serve {
namespace {

using broker::Acks;
using broker::TopicRef;
using world::Task;

constexpr std::int16_t fetch_by_id = 13;    // from this version on topics are named by id
constexpr std::int16_t produce_served = 3;  // older ones carry formats that are no longer taken

struct Pending {
  std::int32_t index;
  std::size_t bytes;
  std::int32_t records;
  broker::Producing producing;
};

struct PendingTopic {
  std::string name;
  std::vector<Pending> partitions;
};

broker::Producing refused(kafka::ErrorCode code, std::string message = {}) {
  broker::Produced outcome;
  outcome.refusal = {code, std::move(message)};
  return broker::Producing(std::move(outcome));
}

// Why the whole request is wrong, whatever its partitions hold.
kafka::ErrorCode check_produce(const kafka::ProduceRequest& request, std::int16_t version) {
  if (version < produce_served) return kafka::UNSUPPORTED_VERSION;
  if (request.acks < -1 || request.acks > 1) return kafka::INVALID_REQUIRED_ACKS;
  if (request.transactional_id) return kafka::INVALID_TXN_STATE;
  return kafka::NONE;
}

PendingTopic begin_topic(KafkaSession& session, kafka::ProduceRequest::Topic& in, Acks acks, kafka::ErrorCode wrong) {
  PendingTopic pending{std::string(in.name), {}};
  auto topic = session.broker.catalog.find_topic(session.tenant, in.name);
  for (auto& partition : in.partitions) {
    auto records = partition.records ? partition.records->whole() : Slice();
    auto bytes = records.size();
    auto header = record::read_header(records.bytes());
    auto producing = wrong != kafka::NONE ? refused(wrong)
                                          : broker::begin_produce(session.broker, session.loop, topic.get(), partition.index, std::move(records), acks);
    pending.partitions.push_back({partition.index, bytes, header ? header->records_count : 0, std::move(producing)});
  }
  return pending;
}

kafka::ProduceResponse::Topic::Partition show(std::int32_t index, const broker::Produced& produced) {
  kafka::ProduceResponse::Topic::Partition out;
  out.index = index;
  out.error_code = produced.refusal.code;
  out.base_offset = produced.base.value;
  out.log_start_offset = produced.log_start.value;
  out.log_append_time_ms = produced.append_time_ms;
  if (!produced.refusal.message.empty()) out.error_message = produced.refusal.message;
  for (const auto& record : produced.records) out.record_errors.push_back({record.index, record.message});
  return out;
}

Task<Result<kafka::ProduceResponse>> finish(KafkaSession& session, std::vector<PendingTopic> topics, bool answered) {
  kafka::ProduceResponse response;
  std::optional<Error> silent;
  for (auto& topic : topics) {
    auto& out = response.topics.emplace_back();
    out.name = std::move(topic.name);
    for (auto& pending : topic.partitions) {
      auto finishing = broker::Producing::finish(std::move(pending.producing), session.broker.log);
      auto produced = co_await finishing;
      if (!produced.refusal) {
        session.meter.produced_bytes.add(pending.bytes);
        session.meter.produced_records.add(static_cast<std::uint64_t>(pending.records));
      }
      if (!answered && produced.refusal)
        silent = fail(Code::refused, fmt::format("acks=0 produce to {}-{} failed with {}", out.name, pending.index, kafka::error_name(produced.refusal.code)));
      out.partitions.push_back(show(pending.index, produced));
    }
  }
  if (silent) co_return *silent;
  co_return response;
}

// Sessions are not kept, so the only valid states are "none" and "the first of one".
kafka::ErrorCode check_fetch_session(const kafka::FetchRequest& request) {
  if (request.session_id != 0) return kafka::FETCH_SESSION_ID_NOT_FOUND;
  return request.session_epoch > 0 ? kafka::INVALID_FETCH_SESSION_EPOCH : kafka::NONE;
}

std::size_t bytes_of(std::int32_t wished) { return wished > 0 ? static_cast<std::size_t>(wished) : 0; }

broker::FetchWish read_wish(const KafkaSession& session, const kafka::FetchRequest& request, bool by_id) {
  broker::FetchWish wish;
  wish.bytes_max = bytes_of(request.max_bytes);
  wish.bytes_min = bytes_of(request.min_bytes);
  wish.wait = std::chrono::milliseconds(request.max_wait_ms);
  for (const auto& topic : request.topics) {
    auto ref = by_id ? topic_by_id(session, topic.topic_id) : session.broker.catalog.find_topic(session.tenant, topic.topic);
    for (const auto& part : topic.partitions)
      wish.parts.push_back({ref, part.partition, Offset(part.fetch_offset), bytes_of(part.partition_max_bytes), part.current_leader_epoch});
  }
  return wish;
}

kafka::FetchResponse::Topic::Partition show(std::int32_t index, broker::FetchedPart& part, bool committed_only) {
  kafka::FetchResponse::Topic::Partition out;
  out.partition_index = index;
  out.error_code = part.error;
  out.high_watermark = part.end.value;
  out.last_stable_offset = part.end.value;
  out.log_start_offset = part.start.value;
  if (committed_only) out.aborted_transactions.emplace();
  out.records = std::move(part.records);
  return out;
}

}  // namespace

Task<Result<kafka::ProduceResponse>> produce(KafkaSession& session, kafka::ProduceRequest request, std::int16_t version) {
  auto wrong = check_produce(request, version);
  std::vector<PendingTopic> topics;
  topics.reserve(request.topics.size());
  for (auto& topic : request.topics)
    topics.push_back(begin_topic(session, topic, static_cast<Acks>(request.acks), wrong));
  return finish(session, std::move(topics), request.acks != 0);
}

Task<kafka::FetchResponse> fetch(KafkaSession& session, kafka::FetchRequest request, std::int16_t version) {
  kafka::FetchResponse response;
  response.error_code = check_fetch_session(request);
  if (response.error_code != kafka::NONE) co_return response;
  bool by_id = version >= fetch_by_id;
  broker::FetchMeans means{session.turns, *session.memory};
  auto fetching = broker::fetch(session.broker, session.loop, read_wish(session, request, by_id), session.waits, means);
  auto fetched = co_await fetching;
  session.answer_held = fetched.held;
  auto part = fetched.parts.begin();
  for (const auto& topic : request.topics) {
    auto& out = response.topics.emplace_back();
    out.topic = topic.topic;
    out.topic_id = topic.topic_id;
    for (const auto& wanted : topic.partitions) {
      session.meter.fetched_bytes.add(part->records.size());
      out.partitions.push_back(show(wanted.partition, *part, request.isolation_level == 1));
      if (by_id && out.partitions.back().error_code == kafka::UNKNOWN_TOPIC_OR_PARTITION && !topic_by_id(session, topic.topic_id))
        out.partitions.back().error_code = kafka::UNKNOWN_TOPIC_ID;
      ++part;
    }
  }
  co_return response;
}

Task<kafka::ListOffsetsResponse> list_offsets(KafkaSession& session, kafka::ListOffsetsRequest request, std::int16_t) {
  kafka::ListOffsetsResponse response;
  for (const auto& topic : request.topics) {
    auto& out = response.topics.emplace_back();
    out.name = topic.name;
    auto ref = session.broker.catalog.find_topic(session.tenant, topic.name);
    for (const auto& wanted : topic.partitions) {
      auto found = broker::list_offset(session.broker, ref.get(), wanted.partition_index, wanted.timestamp, wanted.current_leader_epoch);
      out.partitions.push_back({wanted.partition_index, found.error, found.timestamp, found.offset.value, found.leader_epoch});
    }
  }
  co_return response;
}

// Every partition is with the log before the first answer is awaited, so that one sync serves them all.
Task<kafka::DeleteRecordsResponse> delete_records(KafkaSession& session, kafka::DeleteRecordsRequest request, std::int16_t) {
  std::vector<broker::Deleting> begun;
  for (const auto& topic : request.topics) {
    auto ref = session.broker.catalog.find_topic(session.tenant, topic.name);
    for (const auto& part : topic.partitions)
      begun.push_back(broker::begin_delete(session.broker, session.loop, ref.get(), part.partition_index, part.offset));
  }
  kafka::DeleteRecordsResponse response;
  auto next = begun.begin();
  for (const auto& topic : request.topics) {
    auto& out = response.topics.emplace_back();
    out.name = topic.name;
    for (const auto& part : topic.partitions) {
      auto finishing = broker::Deleting::finish(std::move(*next++), session.broker.log);
      auto deleted = co_await finishing;
      out.partitions.push_back({part.partition_index, deleted.low_watermark.value, deleted.refusal.code});
    }
  }
  co_return response;
}

// An idempotent producer that asks again (after an error it cannot resolve) gets a new id: the old one's state stays as it is.
Task<kafka::InitProducerIdResponse> init_producer_id(KafkaSession& session, kafka::InitProducerIdRequest request, std::int16_t) {
  kafka::InitProducerIdResponse response;
  response.producer_epoch = -1;
  if (request.transactional_id) {
    response.error_code = request.transactional_id->empty() ? kafka::INVALID_REQUEST : kafka::UNSUPPORTED_VERSION;
    co_return response;
  }
  response.producer_id = session.broker.log.new_producer_id().value;
  response.producer_epoch = 0;
  co_return response;
}

// There are no group or transaction coordinators yet, and saying so is better than naming one that does not answer.
Task<kafka::FindCoordinatorResponse> find_coordinator(KafkaSession&, kafka::FindCoordinatorRequest request, std::int16_t) {
  constexpr auto why = "groups and transactions are not served";
  kafka::FindCoordinatorResponse response;
  response.error_code = kafka::COORDINATOR_NOT_AVAILABLE;
  response.error_message = why;
  response.node_id = -1;
  response.port = -1;
  for (auto key : request.coordinator_keys)
    response.coordinators.push_back({std::string(key), -1, {}, -1, kafka::COORDINATOR_NOT_AVAILABLE, why});
  co_return response;
}

}  // namespace tidemill::serve
