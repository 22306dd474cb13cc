// Metadata, CreateTopics, DeleteTopics: topics as clients see and change them.
#include <fmt/core.h>

#include <set>

#include "broker/topics.h"
#include "bytes/cursor.h"
#include "serve/kafka/handlers.h"

namespace tidemill::serve {
namespace {

using broker::TopicAnswer;
using broker::TopicRef;
using world::Task;

// Bit sets of AclOperation: everything that can be done with a topic or the cluster, since nothing is forbidden yet.
constexpr std::int32_t every_topic_operation = 3576, every_cluster_operation = 8096;
constexpr std::int8_t topic_config_source = 1, server_config_source = 4, default_config_source = 5;

kafka::MetadataResponse::Topic describe(const KafkaSession& session, const catalog::Topic& topic, bool operations) {
  kafka::MetadataResponse::Topic out;
  out.name = topic.name;
  out.topic_id = wire_uuid(topic.uuid);
  out.is_internal = topic.internal;
  auto node = session.broker.settings.node_id;
  for (std::int32_t index = 0; index < topic.partitions; ++index) {
    auto& partition = out.partitions.emplace_back();
    partition.partition_index = index;
    partition.leader_id = node;
    partition.leader_epoch = session.broker.log.bounds(topic.stream(index)).leader_epoch;
    partition.replica_nodes = {node};
    partition.isr_nodes = {node};
  }
  if (operations) out.topic_authorized_operations = every_topic_operation;
  return out;
}

// One topic of a Metadata request, asked for by name or, from version 10, by id.
Task<kafka::MetadataResponse::Topic> look_up(KafkaSession& session, kafka::MetadataRequest::Topic wanted, bool may_create, bool operations) {
  TopicAnswer answer;
  if (wanted.name) {
    auto finding = broker::find_or_create_topic(session.broker, session.loop, session.tenant, std::string(*wanted.name), may_create);
    answer = co_await finding;
  } else {
    answer.topic = topic_by_id(session, wanted.topic_id);
    if (!answer.topic) answer.refusal.code = kafka::UNKNOWN_TOPIC_ID;
  }
  if (answer.topic) co_return describe(session, *answer.topic, operations);
  kafka::MetadataResponse::Topic missing;
  missing.error_code = answer.refusal.code;
  missing.name = kafka::owned(wanted.name);
  missing.topic_id = wanted.topic_id;
  co_return missing;
}

void add_configs(kafka::CreateTopicsResponse::Topic& out, const broker::Settings& settings, const broker::Configs& own) {
  auto& all = out.configs.emplace();
  for (const auto& config : kafka::topic_configs) {
    auto& shown = all.emplace_back();
    shown.name = config.name;
    if (auto given = own.find(config.name); given != own.end()) {
      shown.value = given->second;
      shown.config_source = topic_config_source;
      continue;
    }
    shown.value = broker::standard_value(settings, config);
    shown.config_source = shown.value == config.standard ? default_config_source : server_config_source;
  }
}

using Assignments = std::vector<kafka::CreateTopicsRequest::Topic::Assignment>;

// A replica assignment names this server once for each partition from 0 on, or is wrong.
broker::Refusal check_assignments(const Assignments& assignments, std::int32_t node) {
  std::set<std::int32_t> seen;
  for (const auto& each : assignments) {
    bool in_range = each.partition_index >= 0 && each.partition_index < static_cast<std::int32_t>(assignments.size());
    if (!in_range || !seen.insert(each.partition_index).second || each.broker_ids != std::vector{node})
      return {kafka::INVALID_REPLICA_ASSIGNMENT, fmt::format("each partition from 0 on is assigned once, to server {} alone", node)};
  }
  return {};
}

broker::Refusal read_wish(const kafka::CreateTopicsRequest::Topic& in, std::int32_t node, broker::NewTopic& wanted) {
  wanted.name = in.name;
  wanted.partitions = in.num_partitions;
  wanted.replicas = in.replication_factor;
  if (!in.assignments.empty()) {
    if (in.num_partitions != -1 || in.replication_factor != -1)
      return {kafka::INVALID_REQUEST, "Both numPartitions or replicationFactor and replicasAssignments were set."};
    if (auto refusal = check_assignments(in.assignments, node)) return refusal;
    wanted.partitions = static_cast<std::int32_t>(in.assignments.size());
  }
  for (const auto& config : in.configs) {
    if (auto refusal = broker::check_topic_config(config.name, config.value)) return refusal;
    wanted.configs.emplace(config.name, *config.value);
  }
  return {};
}

Task<kafka::CreateTopicsResponse::Topic> create_one(KafkaSession& session, kafka::CreateTopicsRequest::Topic in, bool only_check, bool twice) {
  kafka::CreateTopicsResponse::Topic out;
  broker::NewTopic wanted;
  TopicAnswer answer;
  out.name = in.name;
  answer.refusal = read_wish(in, session.broker.settings.node_id, wanted);
  if (twice) answer.refusal = {kafka::INVALID_REQUEST, "The topic is in the request more than once."};
  auto configs = wanted.configs;
  auto partitions = wanted.partitions == -1 ? session.broker.settings.partitions_default : wanted.partitions;
  if (!answer.refusal && only_check) {
    answer.refusal = broker::check_new_topic(session.broker, session.tenant, wanted);
  } else if (!answer.refusal) {
    auto creating = broker::create_topic(session.broker, session.loop, session.tenant, std::move(wanted));
    answer = co_await creating;
  }
  out.error_code = answer.refusal.code;
  if (answer.refusal) {
    if (!answer.refusal.message.empty()) out.error_message = answer.refusal.message;
    co_return out;
  }
  if (answer.topic) out.topic_id = wire_uuid(answer.topic->uuid);
  out.num_partitions = partitions;
  out.replication_factor = 1;
  add_configs(out, session.broker.settings, configs);
  co_return out;
}

// What DeleteTopics names: by name up to version 5, by name or id from 6 on.
struct Doomed {
  std::optional<std::string> name;
  kafka::Uuid id;
};

std::vector<Doomed> read_doomed(const kafka::DeleteTopicsRequest& request) {
  std::vector<Doomed> all;
  for (const auto& topic : request.topics) all.push_back({kafka::owned(topic.name), topic.topic_id});
  for (const auto& name : request.topic_names) all.push_back({std::string(name), {}});
  return all;
}

}  // namespace

kafka::Uuid wire_uuid(const catalog::Uuid& id) {
  ByteReader in(std::as_bytes(std::span(id)));
  auto high = in.u64();
  return {high, in.u64()};
}

broker::TopicRef topic_by_id(const KafkaSession& session, const kafka::Uuid& id) {
  ByteWriter out;
  out.u64(id.high);
  out.u64(id.low);
  catalog::Uuid uuid;
  std::memcpy(uuid.data(), out.view().data(), uuid.size());
  auto topic = session.broker.catalog.find_topic(uuid);
  return topic && topic->tenant == session.tenant ? topic : nullptr;
}

Task<kafka::MetadataResponse> metadata(KafkaSession& session, kafka::MetadataRequest request, std::int16_t version) {
  kafka::MetadataResponse response;
  auto& node = response.brokers.emplace_back();
  node.node_id = session.broker.settings.node_id;
  node.host = session.advertised.host;
  node.port = session.advertised.port;
  response.cluster_id = session.cluster_id;
  response.controller_id = node.node_id;
  if (request.include_cluster_authorized_operations) response.cluster_authorized_operations = every_cluster_operation;
  auto operations = request.include_topic_authorized_operations;
  bool all = !request.topics || (version == 0 && request.topics->empty());
  if (all) {
    for (const auto& topic : session.broker.catalog.topics(session.tenant)) response.topics.push_back(describe(session, *topic, operations));
    co_return response;
  }
  for (const auto& wanted : *request.topics) {
    auto looking = look_up(session, wanted, request.allow_auto_topic_creation, operations);
    response.topics.push_back(co_await looking);
  }
  co_return response;
}

Task<kafka::CreateTopicsResponse> create_topics(KafkaSession& session, kafka::CreateTopicsRequest request, std::int16_t) {
  std::map<std::string_view, int> times;
  for (const auto& topic : request.topics) ++times[topic.name];
  kafka::CreateTopicsResponse response;
  for (const auto& topic : request.topics) {
    auto creating = create_one(session, topic, request.validate_only, times[topic.name] > 1);
    response.topics.push_back(co_await creating);
  }
  co_return response;
}

Task<kafka::DeleteTopicsResponse> delete_topics(KafkaSession& session, kafka::DeleteTopicsRequest request, std::int16_t) {
  kafka::DeleteTopicsResponse response;
  for (auto& doomed : read_doomed(request)) {
    auto& out = response.responses.emplace_back();
    out.topic_id = doomed.id;
    if (!doomed.name) {
      if (auto topic = topic_by_id(session, doomed.id)) doomed.name = topic->name;
    }
    out.name = doomed.name;
    out.error_code = kafka::UNKNOWN_TOPIC_ID;
    if (!doomed.name) continue;
    auto deleting = broker::delete_topic(session.broker, session.loop, session.tenant, *doomed.name);
    auto refusal = co_await deleting;
    out.error_code = refusal.code;
    if (!refusal.message.empty()) out.error_message = refusal.message;
  }
  co_return response;
}

}  // namespace tidemill::serve
