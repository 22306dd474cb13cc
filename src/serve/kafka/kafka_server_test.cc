// Frames to the real port, good and bad: each mistake gets its own answer.
#include "serve/kafka/handlers.h"
#include "serve/kafka/test_requests.h"

namespace tidemill::serve {
namespace {

TEST_F(KafkaServerTest, an_unknown_version_of_api_versions_is_answered_in_version_0) {
  Encoder out;
  write_request_header(out, {api_versions_key, 3, 9, "test"});
  auto body = out.take_body();
  body[3] = 120;
  ByteWriter frame;
  frame.i32(static_cast<std::int32_t>(body.size()));
  frame.text(body);
  client().send_bytes(frame.take());
  auto response = client().read_response<ApiVersionsResponse>(api_versions_key, 0, 9);
  EXPECT_EQ(response.error_code, UNSUPPORTED_VERSION);
  EXPECT_EQ(response.api_keys.size(), std::size(apis));
}

TEST_F(KafkaServerTest, produce_is_advertised_from_0_for_old_compression_checks) {
  auto response = client().call<ApiVersionsResponse>(api_versions_key, 3, ApiVersionsRequest());
  EXPECT_GE(response.finalized_features_epoch, 0);
  for (const auto& api : response.api_keys)
    if (api.api_key == produce_key) EXPECT_EQ(api.min_version, 0);
}

TEST_F(KafkaServerTest, an_oversized_frame_closes_the_connection_before_it_is_read) {
  ByteWriter frame;
  frame.i32(INT32_MAX);
  client().send_bytes(frame.take());
  expect_closed_with("over the limit");
}

TEST_F(KafkaServerTest, an_http_request_closes_the_connection) {
  client().send_bytes("GET / HTTP/1.1\r\nHost: here\r\n\r\n");
  expect_closed_with("over the limit");
}

TEST_F(KafkaServerTest, an_unknown_api_closes_the_connection) {
  ByteWriter frame;
  frame.i32(10), frame.i16(999), frame.i16(0), frame.i32(1), frame.i16(-1);
  client().send_bytes(frame.take());
  expect_closed_with("unknown API key 999");
}

TEST_F(KafkaServerTest, an_unknown_version_closes_the_connection) {
  ByteWriter frame;
  frame.i32(10), frame.i16(metadata_key), frame.i16(99), frame.i32(1), frame.i16(-1);
  client().send_bytes(frame.take());
  expect_closed_with("Metadata version 99 is not served");
}

TEST_F(KafkaServerTest, a_message_cut_short_closes_the_connection) {
  ByteWriter frame;
  frame.i32(14), frame.i16(metadata_key), frame.i16(1), frame.i32(1), frame.i16(-1), frame.i32(1000);
  client().send_bytes(frame.take());
  expect_closed_with("malformed");
}

TEST_F(KafkaServerTest, what_was_produced_is_fetched_in_every_version) {
  server.create_topic("t");
  auto topic = server.catalog->find_topic(default_tenant, "t");
  std::int64_t base = 0;
  for (std::int16_t version = 3; version <= ProduceRequest::highest; ++version, ++base) {
    auto produced = produce(produce_of("t", batch_of({"v"})), version);
    EXPECT_EQ(produced.error_code, NONE) << version;
    EXPECT_EQ(produced.base_offset, base) << version;
  }
  for (std::int16_t version = FetchRequest::lowest; version <= FetchRequest::highest; ++version) {
    auto request = fetch_of("t", 0);
    if (version >= 13) request.topics[0].topic_id = wire_uuid(topic->uuid);
    auto fetched = fetch(request, version);
    EXPECT_EQ(fetched.error_code, NONE) << version;
    EXPECT_EQ(fetched.high_watermark, base) << version;
    EXPECT_EQ(values_in(fetched.records->whole()).size(), static_cast<std::size_t>(base)) << version;
  }
}

TEST_F(KafkaServerTest, old_produce_versions_are_refused_per_partition) {
  server.create_topic("t");
  EXPECT_EQ(produce(produce_of("t", batch_of({"v"})), 2).error_code, UNSUPPORTED_VERSION);
}

TEST_F(KafkaServerTest, an_offset_inside_a_batch_gets_the_whole_batch) {
  server.create_topic("t");
  produce(produce_of("t", batch_of({"a", "b"})));
  produce(produce_of("t", batch_of({"c", "d", "e"})));
  EXPECT_EQ(values_in(fetch(fetch_of("t", 3)).records->whole()), (std::vector<std::string>{"2:c", "3:d", "4:e"}));
}

TEST_F(KafkaServerTest, an_offset_that_is_not_there_is_out_of_range) {
  server.create_topic("t");
  produce(produce_of("t", batch_of({"a"})));
  EXPECT_EQ(fetch(fetch_of("t", 2)).error_code, OFFSET_OUT_OF_RANGE);
  EXPECT_EQ(fetch(fetch_of("t", -7)).error_code, OFFSET_OUT_OF_RANGE);
  EXPECT_EQ(fetch(fetch_of("t", 1)).error_code, NONE);
}

TEST_F(KafkaServerTest, a_small_limit_still_gets_one_batch) {
  server.create_topic("t");
  produce(produce_of("t", batch_of({"a"})));
  produce(produce_of("t", batch_of({"b"})));
  auto request = fetch_of("t", 0);
  request.max_bytes = 1;
  request.topics[0].partitions[0].partition_max_bytes = 1;
  EXPECT_EQ(values_in(fetch(request).records->whole()), (std::vector<std::string>{"0:a"}));
}

TEST_F(KafkaServerTest, a_fetch_at_the_end_waits_until_a_record_arrives) {
  server.create_topic("t");
  client().send_request(fetch_key, 11, fetch_of("t", 0, 30'000), 5);
  TestClient other(server);
  other.call<ProduceResponse>(produce_key, 8, produce_of("t", batch_of({"late"})));
  auto response = client().read_response<FetchResponse>(fetch_key, 11, 5);
  EXPECT_EQ(values_in(response.topics.at(0).partitions.at(0).records->whole()), (std::vector<std::string>{"0:late"}));
}

TEST_F(KafkaServerTest, a_fetch_that_finds_nothing_ends_at_its_time) {
  server.create_topic("t");
  auto fetched = fetch(fetch_of("t", 0, 50));
  EXPECT_EQ(fetched.error_code, NONE);
  EXPECT_EQ(fetched.records->size(), 0u);
}

TEST_F(KafkaServerTest, stopping_ends_a_waiting_fetch) {
  server.create_topic("t");
  client().send_request(fetch_key, 11, fetch_of("t", 0, 60'000));
  TestClient other(server);  // its answer says that the server has had time for the first
  other.call<ApiVersionsResponse>(api_versions_key, 3, ApiVersionsRequest());
  server.server->stop();
  EXPECT_EQ(server.server->connections(), 0u);
}

TEST_F(KafkaServerTest, a_bad_checksum_is_corrupt) {
  server.create_topic("t");
  std::string bytes(batch_of({"value"}).text());
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  EXPECT_EQ(produce(produce_of("t", Slice::own(std::move(bytes)))).error_code, CORRUPT_MESSAGE);
}

TEST_F(KafkaServerTest, a_batch_cut_short_is_corrupt) {
  server.create_topic("t");
  auto batch = batch_of({"value"});
  EXPECT_EQ(produce(produce_of("t", batch.part(0, batch.size() - 1))).error_code, CORRUPT_MESSAGE);
  EXPECT_EQ(produce(produce_of("t", batch.part(0, 20))).error_code, CORRUPT_MESSAGE);
  EXPECT_EQ(produce(produce_of("t", Slice())).error_code, CORRUPT_MESSAGE);
}

TEST_F(KafkaServerTest, two_batches_for_one_partition_are_refused) {
  server.create_topic("t");
  std::string bytes(batch_of({"a"}).text());
  bytes.append(batch_of({"b"}).text());
  EXPECT_EQ(produce(produce_of("t", Slice::own(std::move(bytes)))).error_code, INVALID_RECORD);
}

TEST_F(KafkaServerTest, a_batch_over_the_topics_limit_is_too_large) {
  server.create_topic("t", 1, {{"max.message.bytes", "200"}});
  EXPECT_EQ(produce(produce_of("t", batch_of({std::string(300, 'x')}))).error_code, MESSAGE_TOO_LARGE);
  EXPECT_EQ(produce(produce_of("t", batch_of({"small"}))).error_code, NONE);
}

TEST_F(KafkaServerTest, a_record_without_key_is_named_when_the_topic_is_compacted) {
  server.create_topic("t", 1, {{"cleanup.policy", "compact"}});
  record::BatchBuilder builder;
  builder.add(1, "key", "value");
  builder.add(1, std::nullopt, "value");
  auto produced = produce(produce_of("t", builder.finish()));
  EXPECT_EQ(produced.error_code, INVALID_RECORD);
  ASSERT_EQ(produced.record_errors.size(), 1u);
  EXPECT_EQ(produced.record_errors[0].batch_index, 1);
}

TEST_F(KafkaServerTest, an_unknown_topic_or_partition_is_said_to_be_unknown) {
  server.create_topic("t");
  EXPECT_EQ(produce(produce_of("nowhere", batch_of({"v"}))).error_code, UNKNOWN_TOPIC_OR_PARTITION);
  EXPECT_EQ(produce(produce_of("t", batch_of({"v"}), 7)).error_code, UNKNOWN_TOPIC_OR_PARTITION);
  EXPECT_EQ(fetch(fetch_of("nowhere", 0)).error_code, UNKNOWN_TOPIC_OR_PARTITION);
  EXPECT_EQ(fetch(fetch_of("nowhere", 0), 13).error_code, UNKNOWN_TOPIC_ID);
}

TEST_F(KafkaServerTest, a_duplicate_is_acknowledged_with_the_first_offset) {
  server.create_topic("t");
  produce(produce_of("t", batch_of({"before"})));
  EXPECT_EQ(produce(produce_of("t", idempotent_batch(7, 0, 0))).base_offset, 1);
  auto again = produce(produce_of("t", idempotent_batch(7, 0, 0)));
  EXPECT_EQ(again.error_code, NONE);
  EXPECT_EQ(again.base_offset, 1);
}

TEST_F(KafkaServerTest, a_gap_in_the_sequence_is_out_of_order) {
  server.create_topic("t");
  produce(produce_of("t", idempotent_batch(7, 0, 0)));
  EXPECT_EQ(produce(produce_of("t", idempotent_batch(7, 0, 5))).error_code, OUT_OF_ORDER_SEQUENCE_NUMBER);
}

TEST_F(KafkaServerTest, an_older_epoch_is_fenced) {
  server.create_topic("t");
  produce(produce_of("t", idempotent_batch(7, 3, 0)));
  EXPECT_EQ(produce(produce_of("t", idempotent_batch(7, 2, 0))).error_code, INVALID_PRODUCER_EPOCH);
}

TEST_F(KafkaServerTest, a_full_disk_is_an_error_that_clients_retry_and_passes) {
  server.create_topic("t");
  server.log.full = true;
  auto refused = produce(produce_of("t", batch_of({"v"})));
  EXPECT_EQ(refused.error_code, KAFKA_STORAGE_ERROR);
  EXPECT_TRUE(find_error(refused.error_code)->retriable);
  server.log.full = false;
  EXPECT_EQ(produce(produce_of("t", batch_of({"v"}))).error_code, NONE);
}

TEST_F(KafkaServerTest, a_failed_produce_without_acks_closes_the_connection) {
  auto request = produce_of("nowhere", batch_of({"v"}));
  request.acks = 0;
  client().send_request(produce_key, 8, request);
  expect_closed_with("UNKNOWN_TOPIC_OR_PARTITION");
}

TEST_F(KafkaServerTest, acks_2_is_refused) {
  server.create_topic("t");
  auto request = produce_of("t", batch_of({"v"}));
  request.acks = 2;
  EXPECT_EQ(produce(request).error_code, INVALID_REQUIRED_ACKS);
}

TEST_F(KafkaServerTest, pipelined_requests_are_answered_in_their_order) {
  server.create_topic("t");
  for (int i = 0; i < 50; ++i) client().send_request(produce_key, 8, produce_of("t", batch_of({"v"})), i);
  client().send_request(api_versions_key, 0, ApiVersionsRequest(), 50);
  client().send_request(fetch_key, 11, fetch_of("t", 0), 51);
  for (int i = 0; i < 50; ++i) {
    auto produced = client().read_response<ProduceResponse>(produce_key, 8, i);
    EXPECT_EQ(produced.topics.at(0).partitions.at(0).base_offset, i);
  }
  client().read_response<ApiVersionsResponse>(api_versions_key, 0, 50);
  auto fetched = client().read_response<FetchResponse>(fetch_key, 11, 51);
  EXPECT_EQ(values_in(fetched.topics.at(0).partitions.at(0).records->whole()).size(), 50u);
}

TEST_F(KafkaServerTest, a_fetch_session_is_never_given_and_never_known) {
  server.create_topic("t");
  auto request = fetch_of("t", 0);
  request.session_epoch = 0;
  EXPECT_EQ(client().call<FetchResponse>(fetch_key, 11, request).session_id, 0);
  request.session_id = 77;
  EXPECT_EQ(client().call<FetchResponse>(fetch_key, 11, request).error_code, FETCH_SESSION_ID_NOT_FOUND);
}

TEST_F(KafkaServerTest, offsets_by_time_are_found_inside_batches) {
  server.create_topic("t");
  produce(produce_of("t", batch_of({"a", "b", "c"}, 1000)));
  produce(produce_of("t", batch_of({"d"}, 5000)));
  auto at = [&](std::int64_t timestamp) {
    ListOffsetsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.push_back({0, -1, timestamp});
    return client().call<ListOffsetsResponse>(list_offsets_key, 7, request).topics.at(0).partitions.at(0).offset;
  };
  EXPECT_EQ(at(1001), 1);
  EXPECT_EQ(at(1003), 3);
  EXPECT_EQ(at(5001), -1);
  EXPECT_EQ(at(-1), 4);
  EXPECT_EQ(at(-2), 0);
  EXPECT_EQ(at(-3), 3);
}

TEST_F(KafkaServerTest, topics_are_created_checked_and_deleted) {
  auto create = [&](std::string_view name, std::int32_t partitions, std::int16_t replicas, bool check = false) {
    CreateTopicsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = name;
    topic.num_partitions = partitions;
    topic.replication_factor = replicas;
    request.validate_only = check;
    return client().call<CreateTopicsResponse>(create_topics_key, 7, request).topics.at(0).error_code;
  };
  EXPECT_EQ(create("t", 3, 1, true), NONE);
  EXPECT_EQ(create("t", 3, 1), NONE);
  EXPECT_EQ(create("t", 3, 1), TOPIC_ALREADY_EXISTS);
  EXPECT_EQ(create("bad name", 1, 1), INVALID_TOPIC_EXCEPTION);
  EXPECT_EQ(create("u", 0, 1), INVALID_PARTITIONS);
  EXPECT_EQ(create("u", 1, 3), INVALID_REPLICATION_FACTOR);
  DeleteTopicsRequest doomed;
  doomed.topic_names = {"t", "nowhere"};
  auto deleted = client().call<DeleteTopicsResponse>(delete_topics_key, 5, doomed);
  EXPECT_EQ(deleted.responses.at(0).error_code, NONE);
  EXPECT_EQ(deleted.responses.at(1).error_code, UNKNOWN_TOPIC_OR_PARTITION);
  EXPECT_EQ(server.catalog->find_topic(default_tenant, "t"), nullptr);
}

TEST_F(KafkaServerTest, configurations_are_checked_by_name_and_value) {
  auto with = [&](std::string_view name, std::string_view value) {
    CreateTopicsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = "c";
    topic.num_partitions = topic.replication_factor = -1;
    topic.configs.push_back({name, value});
    request.validate_only = true;
    return client().call<CreateTopicsResponse>(create_topics_key, 5, request).topics.at(0).error_code;
  };
  EXPECT_EQ(with("cleanup.policy", "compact,delete"), NONE);
  EXPECT_EQ(with("cleanup.policy", "burn"), INVALID_CONFIG);
  EXPECT_EQ(with("retention.ms", "soon"), INVALID_CONFIG);
  EXPECT_EQ(with("no.such.thing", "1"), INVALID_CONFIG);
}

TEST_F(KafkaServerTest, metadata_makes_a_topic_only_when_the_client_agrees) {
  MetadataRequest request;
  request.topics.emplace().push_back({{}, "wanted"});
  request.allow_auto_topic_creation = false;
  EXPECT_EQ(client().call<MetadataResponse>(metadata_key, 12, request).topics.at(0).error_code, UNKNOWN_TOPIC_OR_PARTITION);
  request.allow_auto_topic_creation = true;
  auto made = client().call<MetadataResponse>(metadata_key, 12, request);
  EXPECT_EQ(made.topics.at(0).error_code, NONE);
  EXPECT_EQ(made.topics.at(0).partitions.size(), 1u);
  EXPECT_EQ(made.brokers.at(0).port, server.server->address().port);
}

TEST_F(KafkaServerTest, a_topic_of_another_tenant_does_not_exist_here) {
  auto made = server.catalog->change_and_wait({catalog::CreateTopic{TenantId(9), "secret", 1, {}}});
  ASSERT_TRUE(made);
  auto id = wire_uuid(server.catalog->find_topic(TenantId(9), "secret")->uuid);
  MetadataRequest request;
  request.topics.emplace().push_back({id, std::nullopt});
  EXPECT_EQ(client().call<MetadataResponse>(metadata_key, 12, request).topics.at(0).error_code, UNKNOWN_TOPIC_ID);
  request.topics.reset();
  EXPECT_TRUE(client().call<MetadataResponse>(metadata_key, 12, request).topics.empty());
  auto fetch_request = fetch_of("", 0);
  fetch_request.topics[0].topic_id = id;
  EXPECT_EQ(fetch(fetch_request, 13).error_code, UNKNOWN_TOPIC_ID);
}

TEST(KafkaServerLimits, a_client_that_sends_nothing_is_closed) {
  KafkaLimits limits;
  limits.idle = std::chrono::milliseconds(20);
  TestServer server({}, limits);
  TestClient client(server);
  EXPECT_TRUE(client.closed());
  ASSERT_EQ(server.reports().size(), 1u);
  EXPECT_EQ(server.reports()[0].event, "kafka.idle");
}

TEST_F(KafkaServerTest, one_connection_too_many_is_closed) {
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<TestClient>(server));
    clients.back()->call<ApiVersionsResponse>(api_versions_key, 0, ApiVersionsRequest());
  }
  expect_closed_with("too many connections");
}

}  // namespace
}  // namespace tidemill::serve
