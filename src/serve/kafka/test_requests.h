// Requests as tests write them, and a client of a TestServer that sends them. For tests only.
#pragma once

#include "serve/kafka/test_server.h"

namespace tidemill::serve {

using namespace kafka;

inline Slice batch_of(std::initializer_list<std::string_view> values, std::int64_t time_ms = 1000) {
  record::BatchBuilder builder;
  for (auto value : values) builder.add(time_ms++, "key", value);
  return builder.finish();
}

inline Slice idempotent_batch(std::int64_t producer, std::int16_t epoch, std::int32_t sequence) {
  record::BatchBuilder builder;
  builder.add(1000, "key", "value");
  builder.producer(producer, epoch, sequence);
  return builder.finish();
}

inline ProduceRequest produce_of(std::string_view topic, Slice batch, std::int32_t partition = 0) {
  ProduceRequest request;
  request.acks = -1;
  auto& to = request.topics.emplace_back();
  to.name = topic;
  auto& part = to.partitions.emplace_back();
  part.index = partition;
  part.records.emplace().add(std::move(batch));
  return request;
}

inline FetchRequest fetch_of(std::string_view topic, std::int64_t offset, std::int32_t wait_ms = 0) {
  FetchRequest request;
  request.max_wait_ms = wait_ms;
  request.min_bytes = 1;
  request.session_epoch = -1;
  auto& from = request.topics.emplace_back();
  from.topic = topic;
  auto& part = from.partitions.emplace_back();
  part.fetch_offset = offset;
  part.partition_max_bytes = 1 << 20;
  return request;
}

inline std::vector<std::string> values_in(const Slice& records) {
  std::vector<std::string> values;
  for (std::size_t at = 0; at < records.size();) {
    auto header = record::read_header(records.bytes().subspan(at));
    EXPECT_TRUE(header);
    if (!header) break;
    auto batch = record::BatchRecords::open(records.part(at, header->total_bytes()), Offset(header->base_offset));
    for (record::RecordView record; batch && batch->next(record).value_or(false);)
      values.push_back(std::to_string(record.offset) + ":" + std::string(record.value.value_or("null")));
    at += header->total_bytes();
  }
  return values;
}

class KafkaServerTest : public testing::Test {
 protected:
  ProduceResponse::Topic::Partition produce(const ProduceRequest& request, std::int16_t version = 8) {
    auto response = client().call<ProduceResponse>(produce_key, version, request);
    return response.topics.at(0).partitions.at(0);
  }
  FetchResponse::Topic::Partition fetch(const FetchRequest& request, std::int16_t version = 11) {
    return client().call<FetchResponse>(fetch_key, version, request).topics.at(0).partitions.at(0);
  }
  TestClient& client() {
    if (!client_) client_.emplace(server);
    return *client_;
  }
  void expect_closed_with(std::string_view why) {
    EXPECT_TRUE(client().closed());
    auto reports = server.reports();
    ASSERT_FALSE(reports.empty());
    EXPECT_NE(reports.back().why.find(why), std::string::npos) << reports.back().why;
  }

  TestServer server;
  std::optional<TestClient> client_;
};

}  // namespace tidemill::serve
