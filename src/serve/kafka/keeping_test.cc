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

CreateTopicsRequest create_of(std::string_view topic, std::vector<std::pair<std::string_view, std::string_view>> configs) {
  CreateTopicsRequest request;
  auto& wanted = request.topics.emplace_back();
  wanted.name = topic;
  wanted.num_partitions = wanted.replication_factor = -1;
  for (auto [name, value] : configs) wanted.configs.push_back({name, value});
  return request;
}

TEST_F(KafkaServerTest, a_configuration_out_of_its_range_is_refused_by_name_and_value) {
  auto create = [&](std::string_view name, std::string_view value) {
    auto request = create_of("c", {{name, value}});
    request.validate_only = true;
    return client().call<CreateTopicsResponse>(create_topics_key, 5, request).topics.at(0);
  };
  for (auto [name, value] : {std::pair{"cleanup.policy", "delete"}, {"cleanup.policy", "compact"}, {"cleanup.policy", "delete,compact"}, {"cleanup.policy", "compact, delete"}, {"retention.ms", "-1"},
                             {"retention.ms", "9223372036854775807"}, {"retention.bytes", "-1"}, {"delete.retention.ms", "0"}, {"min.compaction.lag.ms", "0"}, {"max.compaction.lag.ms", "1"},
                             {"min.cleanable.dirty.ratio", "0"}, {"min.cleanable.dirty.ratio", "1"}, {"min.cleanable.dirty.ratio", "0.25"}, {"segment.ms", "1"}, {"segment.bytes", "1048576"},
                             {"message.timestamp.type", "CreateTime"}, {"message.timestamp.type", "LogAppendTime"}, {"message.timestamp.before.max.ms", "0"}, {"max.message.bytes", "0"},
                             {"flush.ms", "0"}, {"flush.messages", "9223372036854775807"}, {"compression.zstd.level", "-131072"}, {"preallocate", "true"}})
    EXPECT_EQ(create(name, value).error_code, NONE) << name << "=" << value;
  for (auto [name, value] : {std::pair{"cleanup.policy", "compact,burn"}, {"cleanup.policy", ""}, {"retention.ms", "-2"}, {"retention.ms", "9223372036854775808"}, {"retention.ms", "7d"}, {"retention.ms", ""},
                             {"retention.bytes", "1.5"}, {"delete.retention.ms", "-1"}, {"min.compaction.lag.ms", "-1"}, {"max.compaction.lag.ms", "0"}, {"min.cleanable.dirty.ratio", "1.1"},
                             {"min.cleanable.dirty.ratio", "-0.1"}, {"segment.ms", "0"}, {"segment.bytes", "2147483648"}, {"message.timestamp.type", "Sometimes"}, {"message.timestamp.after.max.ms", "-1"},
                             {"max.message.bytes", "-1"}, {"flush.ms", "-1"}, {"flush.messages", "0"}, {"compression.zstd.level", "23"}, {"preallocate", "yes"}}) {
    auto refused = create(name, value);
    EXPECT_EQ(refused.error_code, INVALID_CONFIG) << name << "=" << value;
    auto expected = std::string("Invalid value ") + value + " for configuration " + name + ": ";
    EXPECT_TRUE(refused.error_message.value_or("").starts_with(expected)) << refused.error_message.value_or("");
  }
}

TEST_F(KafkaServerTest, configurations_that_contradict_each_other_are_refused) {
  auto request = create_of("c", {{"min.compaction.lag.ms", "100"}, {"max.compaction.lag.ms", "99"}});
  EXPECT_EQ(client().call<CreateTopicsResponse>(create_topics_key, 7, request).topics.at(0).error_code, INVALID_CONFIG);
  EXPECT_FALSE(server.catalog->find_topic(default_tenant, "c"));
}

TEST_F(KafkaServerTest, of_good_and_bad_topics_in_one_request_the_good_are_made) {
  auto request = create_of("good", {{"retention.ms", "1000"}, {"cleanup.policy", "compact,delete"}});
  request.topics.push_back(create_of("bad", {{"retention.ms", "soon"}}).topics[0]);
  auto answers = client().call<CreateTopicsResponse>(create_topics_key, 7, request).topics;
  EXPECT_EQ(answers.at(0).error_code, NONE);
  EXPECT_EQ(answers.at(1).error_code, INVALID_CONFIG);
  EXPECT_FALSE(server.catalog->find_topic(default_tenant, "bad"));
  auto kept = server.catalog->find_topic(default_tenant, "good")->configs;
  EXPECT_EQ(kept, (std::map<std::string, std::string>{{"cleanup.policy", "compact,delete"}, {"retention.ms", "1000"}}));
  for (auto& config : *answers[0].configs) {
    if (config.name == "retention.ms") EXPECT_EQ(*config.value + std::to_string(config.config_source), "10001");
    if (config.name == "retention.bytes") EXPECT_EQ(*config.value + std::to_string(config.config_source), "-15");
  }
}

Slice batch_with(std::optional<std::string_view> first_key, std::optional<std::string_view> second_key) {
  record::BatchBuilder builder;
  builder.add(1000, first_key, "a");
  builder.add(1000, second_key, "b");
  return builder.finish();
}

TEST_F(KafkaServerTest, a_record_without_a_key_is_refused_by_a_compacted_topic_and_named_from_version_8_on) {
  for (auto* policy : {"compact", "compact,delete"}) {
    server.create_topic(policy == std::string("compact") ? "one" : "both", 1, {{"cleanup.policy", policy}});
    auto* topic = policy == std::string("compact") ? "one" : "both";
    auto refused = produce(produce_of(topic, batch_with("k", std::nullopt)), 8);
    EXPECT_EQ(refused.error_code, INVALID_RECORD);
    ASSERT_EQ(refused.record_errors.size(), 1u);
    EXPECT_EQ(refused.record_errors[0].batch_index, 1);
    EXPECT_NE(refused.record_errors[0].message.value_or("").find("without key"), std::string::npos);
    EXPECT_EQ(produce(produce_of(topic, batch_with("k", std::nullopt)), 7).error_code, INVALID_RECORD);
    EXPECT_EQ(produce(produce_of(topic, batch_with("k", "l")), 8).base_offset, 0);
  }
}

TEST_F(KafkaServerTest, with_log_append_time_all_records_get_the_time_of_the_server) {
  server.create_topic("t", 1, {{"message.timestamp.type", "LogAppendTime"}});
  auto before = world::real_clock().now_ms();
  auto produced = produce(produce_of("t", batch_of({"a", "b"}, 1)));
  auto after = world::real_clock().now_ms();
  EXPECT_GE(produced.log_append_time_ms, before);
  EXPECT_LE(produced.log_append_time_ms, after);
  auto records = fetch(fetch_of("t", 0)).records->whole();
  auto header = record::validate_batch(records.bytes());
  ASSERT_TRUE(header) << header.error().text();
  EXPECT_EQ(header->attributes, 0x08);
  EXPECT_EQ(header->max_timestamp, produced.log_append_time_ms);
  auto batch = record::BatchRecords::open(records, Offset(0));
  record::RecordView record;
  for (auto value : {"a", "b"}) {
    ASSERT_TRUE(batch->next(record).value_or(false));
    EXPECT_EQ(record.timestamp_ms, produced.log_append_time_ms);
    EXPECT_EQ(record.value, value);
  }
}

TEST_F(KafkaServerTest, a_repeated_batch_is_answered_with_the_time_it_got_at_first) {
  server.create_topic("t", 1, {{"message.timestamp.type", "LogAppendTime"}});
  auto first = produce(produce_of("t", idempotent_batch(7, 0, 0)));
  for (auto now = first.log_append_time_ms; world::real_clock().now_ms() <= now;) std::this_thread::yield();
  auto again = produce(produce_of("t", idempotent_batch(7, 0, 0)));
  EXPECT_EQ(again.base_offset, first.base_offset);
  EXPECT_EQ(again.log_append_time_ms, first.log_append_time_ms);
}

TEST_F(KafkaServerTest, records_too_old_or_too_far_ahead_are_refused_by_their_place) {
  constexpr std::int64_t hour = 3'600'000;
  auto now = world::real_clock().now_ms();
  auto batch = [&](std::int64_t first, std::int64_t second) {
    record::BatchBuilder builder;
    builder.add(first, "k", "a");
    builder.add(second, "k", "b");
    return builder.finish();
  };
  server.create_topic("any");
  server.create_topic("near", 1, {{"message.timestamp.before.max.ms", std::to_string(hour)}, {"message.timestamp.after.max.ms", std::to_string(3 * hour)}});
  server.create_topic("server", 1, {{"message.timestamp.type", "LogAppendTime"}, {"message.timestamp.before.max.ms", "0"}});
  auto ahead = produce(produce_of("any", batch(now, now + 2 * hour)));
  EXPECT_EQ(ahead.error_code, INVALID_TIMESTAMP);
  ASSERT_EQ(ahead.record_errors.size(), 1u);
  EXPECT_EQ(ahead.record_errors[0].batch_index, 1);
  EXPECT_EQ(produce(produce_of("near", batch(now, now + 2 * hour))).error_code, NONE);
  EXPECT_EQ(produce(produce_of("near", batch(now, now - 2 * hour))).record_errors.at(0).batch_index, 1);
  EXPECT_EQ(produce(produce_of("near", batch(now - 2 * hour, now)), 7).error_code, INVALID_TIMESTAMP);
  EXPECT_EQ(produce(produce_of("any", batch(1, now))).error_code, NONE) << "any age is well by default";
  EXPECT_EQ(produce(produce_of("server", batch(1, now + 2 * hour))).error_code, NONE) << "the producer's time does not count";
}

TEST_F(KafkaServerTest, the_largest_batch_is_what_the_topic_says) {
  server.create_topic("small", 1, {{"max.message.bytes", "200"}});
  server.create_topic("usual");
  auto batch = [](std::size_t bytes) { return batch_of({std::string(bytes, 'x')}); };
  EXPECT_EQ(produce(produce_of("small", batch(300))).error_code, MESSAGE_TOO_LARGE);
  EXPECT_EQ(produce(produce_of("small", batch(50))).error_code, NONE);
  EXPECT_EQ(produce(produce_of("usual", batch(300))).error_code, NONE);
  EXPECT_EQ(produce(produce_of("usual", batch(1'100'000))).error_code, MESSAGE_TOO_LARGE);
}

TEST_F(KafkaServerTest, only_a_topic_that_says_so_is_acknowledged_before_the_sync) {
  struct Case {
    const char* topic;
    std::map<std::string, std::string> configs;
    log::Durability expected;
  };
  using enum log::Durability;
  for (auto& c : std::vector<Case>{{"nothing-said", {}, synced},
                                   {"by-time", {{"flush.ms", "1000"}}, on_write},
                                   {"by-count", {{"flush.messages", "10000"}}, on_write},
                                   {"kafkas-defaults", {{"flush.messages", "9223372036854775807"}, {"flush.ms", "9223372036854775807"}}, synced},
                                   {"each-one", {{"flush.messages", "1"}, {"flush.ms", "1000"}}, synced}}) {
    server.create_topic(c.topic, 1, c.configs);
    EXPECT_EQ(produce(produce_of(c.topic, batch_of({"x"}))).error_code, NONE);
    EXPECT_EQ(server.log.durability, c.expected) << c.topic;
  }
}

}  // namespace
}  // namespace tidemill::serve
