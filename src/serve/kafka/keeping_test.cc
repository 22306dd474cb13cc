// What a topic keeps and refuses, as its clients see it: records deleted by them, and topic configurations.
#include "serve/kafka/test_requests.h"

namespace tidemill::serve {
namespace {

DeleteRecordsRequest delete_of(std::string_view topic, std::vector<std::pair<std::int32_t, std::int64_t>> parts) {
  DeleteRecordsRequest request;
  auto& to = request.topics.emplace_back();
  to.name = topic;
  for (auto [partition, offset] : parts) to.partitions.push_back({partition, offset});
  return request;
}

TEST_F(KafkaServerTest, records_before_an_offset_are_deleted_in_every_version) {
  server.create_topic("t");
  for (auto value : {"a", "b", "c", "d"}) produce(produce_of("t", batch_of({value})));
  for (std::int16_t version = 0; version <= 2; ++version) {
    auto done = client().call<DeleteRecordsResponse>(delete_records_key, version, delete_of("t", {{0, version + 1}})).topics.at(0);
    EXPECT_EQ(done.name, "t");
    EXPECT_EQ(done.partitions.at(0).error_code, NONE);
    EXPECT_EQ(done.partitions.at(0).low_watermark, version + 1);
  }
  EXPECT_EQ(values_in(fetch(fetch_of("t", 3)).records->whole()), (std::vector<std::string>{"3:d"}));
  EXPECT_EQ(fetch(fetch_of("t", 3)).log_start_offset, 3);
  EXPECT_EQ(fetch(fetch_of("t", 2)).error_code, OFFSET_OUT_OF_RANGE);
  EXPECT_EQ(produce(produce_of("t", batch_of({"e"}))).log_start_offset, 3);
  ListOffsetsRequest list;
  list.topics.push_back({"t", {{0, -1, -2}}});
  EXPECT_EQ(client().call<ListOffsetsResponse>(list_offsets_key, 7, list).topics.at(0).partitions.at(0).offset, 3);
}

TEST_F(KafkaServerTest, each_partition_of_a_deletion_succeeds_or_fails_alone) {
  server.create_topic("t", 3);
  server.create_topic("latest", 1, {{"cleanup.policy", "compact"}});
  for (auto partition : {0, 1, 2}) produce(produce_of("t", batch_of({"a", "b", "c"}), partition));
  auto request = delete_of("t", {{0, 2}, {1, -1}, {2, 4}, {3, 0}, {0, 1}, {2, -2}});
  request.topics.push_back(delete_of("missing", {{0, 0}}).topics[0]);
  request.topics.push_back(delete_of("latest", {{0, 0}}).topics[0]);
  auto topics = client().call<DeleteRecordsResponse>(delete_records_key, 2, request).topics;
  std::vector<std::pair<std::int16_t, std::int64_t>> got;
  for (auto& topic : topics)
    for (auto& part : topic.partitions) got.emplace_back(part.error_code, part.low_watermark);
  std::vector<std::pair<std::int16_t, std::int64_t>> expected{{NONE, 2}, {NONE, 3}, {OFFSET_OUT_OF_RANGE, -1}, {UNKNOWN_TOPIC_OR_PARTITION, -1}, {NONE, 2}, {OFFSET_OUT_OF_RANGE, -1},
                                                              {UNKNOWN_TOPIC_OR_PARTITION, -1}, {POLICY_VIOLATION, -1}};
  EXPECT_EQ(got, expected);
  EXPECT_EQ(server.log.bounds(server.catalog->find_topic(default_tenant, "t")->stream(2)).start, Offset(0));
}

// The start lies inside a batch: the batch is served whole, but by time no deleted record is found.
TEST_F(KafkaServerTest, a_deleted_record_is_not_found_by_its_time) {
  server.create_topic("t");
  produce(produce_of("t", batch_of({"a", "b", "c"}, 1000)));
  client().call<DeleteRecordsResponse>(delete_records_key, 2, delete_of("t", {{0, 2}}));
  ListOffsetsRequest list;
  list.topics.push_back({"t", {{0, -1, 1000}}});
  EXPECT_EQ(client().call<ListOffsetsResponse>(list_offsets_key, 7, list).topics.at(0).partitions.at(0).offset, 2);
}

TEST_F(KafkaServerTest, a_deleted_topic_made_again_is_empty) {
  server.create_topic("t");
  produce(produce_of("t", batch_of({"old"})));
  DeleteTopicsRequest request;
  request.topic_names = {"t"};
  EXPECT_EQ(client().call<DeleteTopicsResponse>(delete_topics_key, 3, request).responses.at(0).error_code, NONE);
  server.create_topic("t");
  EXPECT_EQ(produce(produce_of("t", batch_of({"new"}))).base_offset, 0);
  EXPECT_EQ(values_in(fetch(fetch_of("t", 0)).records->whole()), (std::vector<std::string>{"0:new"}));
}

}  // namespace
}  // namespace tidemill::serve
