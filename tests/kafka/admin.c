// The admin calls of librdkafka that kcat lacks:
//   admin BROKERS create TOPIC PARTITIONS [NAME=VALUE]...
//   admin BROKERS delete-topic TOPIC
//   admin BROKERS delete-records [TOPIC PARTITION OFFSET]...
// One line of output per topic or partition: "NAME ok [low watermark]", or "NAME ERROR text".
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char* what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static void print_topics(const rd_kafka_topic_result_t** results, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    rd_kafka_resp_err_t error = rd_kafka_topic_result_error(results[i]);
    const char* text = rd_kafka_topic_result_error_string(results[i]);
    if (error) printf("%s %s %s\n", rd_kafka_topic_result_name(results[i]), rd_kafka_err2name(error), text ? text : "");
    else printf("%s ok\n", rd_kafka_topic_result_name(results[i]));
  }
}

static rd_kafka_event_t* answer(rd_kafka_queue_t* queue) {
  rd_kafka_event_t* event = rd_kafka_queue_poll(queue, 30000);
  if (!event) die("no answer");
  if (rd_kafka_event_error(event)) die(rd_kafka_event_error_string(event));
  return event;
}

static void create(rd_kafka_t* client, rd_kafka_queue_t* queue, int count, char** words) {
  char error[512];
  if (count < 2) die("create TOPIC PARTITIONS [NAME=VALUE]...");
  rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(words[0], atoi(words[1]), 1, error, sizeof error);
  if (!topic) die(error);
  for (int i = 2; i < count; ++i) {
    char* value = strchr(words[i], '=');
    if (!value) die("NAME=VALUE");
    *value = 0;
    rd_kafka_NewTopic_set_config(topic, words[i], value + 1);
  }
  rd_kafka_CreateTopics(client, &topic, 1, NULL, queue);
  size_t results = 0;
  rd_kafka_event_t* event = answer(queue);
  const rd_kafka_topic_result_t** topics = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &results);
  print_topics(topics, results);
}

static void delete_topic(rd_kafka_t* client, rd_kafka_queue_t* queue, int count, char** words) {
  if (count != 1) die("delete-topic TOPIC");
  rd_kafka_DeleteTopic_t* topic = rd_kafka_DeleteTopic_new(words[0]);
  rd_kafka_DeleteTopics(client, &topic, 1, NULL, queue);
  size_t results = 0;
  rd_kafka_event_t* event = answer(queue);
  const rd_kafka_topic_result_t** topics = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &results);
  print_topics(topics, results);
}

static void delete_records(rd_kafka_t* client, rd_kafka_queue_t* queue, int count, char** words) {
  if (count == 0 || count % 3) die("delete-records [TOPIC PARTITION OFFSET]...");
  rd_kafka_topic_partition_list_t* before = rd_kafka_topic_partition_list_new(count / 3);
  for (int i = 0; i < count; i += 3) rd_kafka_topic_partition_list_add(before, words[i], atoi(words[i + 1]))->offset = atoll(words[i + 2]);
  rd_kafka_DeleteRecords_t* deletion = rd_kafka_DeleteRecords_new(before);
  rd_kafka_DeleteRecords(client, &deletion, 1, NULL, queue);
  const rd_kafka_topic_partition_list_t* done = rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(answer(queue)));
  for (int i = 0; i < done->cnt; ++i) {
    const rd_kafka_topic_partition_t* part = &done->elems[i];
    if (part->err) printf("%s-%d %s %s\n", part->topic, part->partition, rd_kafka_err2name(part->err), rd_kafka_err2str(part->err));
    else printf("%s-%d ok %lld\n", part->topic, part->partition, (long long)part->offset);
  }
}

int main(int argc, char** argv) {
  char error[512];
  if (argc < 4) die("admin BROKERS COMMAND ...");
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  if (rd_kafka_conf_set(conf, "bootstrap.servers", argv[1], error, sizeof error)) die(error);
  rd_kafka_t* client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
  if (!client) die(error);
  rd_kafka_queue_t* queue = rd_kafka_queue_new(client);
  if (!strcmp(argv[2], "create")) create(client, queue, argc - 3, argv + 3);
  else if (!strcmp(argv[2], "delete-topic")) delete_topic(client, queue, argc - 3, argv + 3);
  else if (!strcmp(argv[2], "delete-records")) delete_records(client, queue, argc - 3, argv + 3);
  else die("create, delete-topic or delete-records");
  return 0;
}
