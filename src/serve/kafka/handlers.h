// One function per API: a decoded request in, a response out. They translate; what happens is decided in broker.
// Requests point into their frame, which the caller keeps until the task has ended.
#pragma once

#include "serve/kafka/session.h"
#include "wire/kafka/all_messages.h"

namespace tidemill::serve {

kafka::ApiVersionsResponse api_versions();

world::Task<kafka::MetadataResponse> metadata(KafkaSession& session, kafka::MetadataRequest request, std::int16_t version);
world::Task<kafka::CreateTopicsResponse> create_topics(KafkaSession& session, kafka::CreateTopicsRequest request, std::int16_t version);
world::Task<kafka::DeleteTopicsResponse> delete_topics(KafkaSession& session, kafka::DeleteTopicsRequest request, std::int16_t version);
world::Task<kafka::FetchResponse> fetch(KafkaSession& session, kafka::FetchRequest request, std::int16_t version);
world::Task<kafka::ListOffsetsResponse> list_offsets(KafkaSession& session, kafka::ListOffsetsRequest request, std::int16_t version);
world::Task<kafka::DeleteRecordsResponse> delete_records(KafkaSession& session, kafka::DeleteRecordsRequest request, std::int16_t version);
world::Task<kafka::InitProducerIdResponse> init_producer_id(KafkaSession& session, kafka::InitProducerIdRequest request, std::int16_t version);
world::Task<kafka::FindCoordinatorResponse> find_coordinator(KafkaSession& session, kafka::FindCoordinatorRequest request, std::int16_t version);

// Hands every batch to the log before it returns; the task waits for the answers. Nothing is answered with acks=0, whose
// failures are told by closing the connection: the Result is an error then.
world::Task<Result<kafka::ProduceResponse>> produce(KafkaSession& session, kafka::ProduceRequest request, std::int16_t version);

// The topic, if it is this tenant's.
broker::TopicRef topic_by_id(const KafkaSession& session, const kafka::Uuid& id);
kafka::Uuid wire_uuid(const catalog::Uuid& id);

}  // namespace tidemill::serve
