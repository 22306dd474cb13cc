/* An idempotent librdkafka producer writes COUNT numbered messages to TOPIC and waits for every acknowledgement; a plain consumer
 * reads the partition back and checks that each number is there once and in order.
 *   idempotent_roundtrip BROKERS TOPIC COUNT      ends with 0 and one line "ok N", or 1 and why. */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long acknowledged, failed;
static int64_t next_offset;

static void die(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque) {
  (void)rk, (void)opaque;
  if (m->err) {
    ++failed;
    fprintf(stderr, "delivery: %s\n", rd_kafka_err2str(m->err));
  } else if (m->offset != next_offset++) {
    ++failed;
    fprintf(stderr, "acknowledged at %ld, expected %ld\n", (long)m->offset, (long)next_offset - 1);
  } else {
    ++acknowledged;
  }
}

static rd_kafka_conf_t *conf_of(const char *brokers) {
  char error[512];
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  if (rd_kafka_conf_set(conf, "bootstrap.servers", brokers, error, sizeof error)) die("bootstrap.servers", error);
  return conf;
}

static void produce(const char *brokers, const char *topic, long count) {
  char error[512], text[32];
  rd_kafka_conf_t *conf = conf_of(brokers);
  if (rd_kafka_conf_set(conf, "enable.idempotence", "true", error, sizeof error)) die("enable.idempotence", error);
  if (rd_kafka_conf_set(conf, "linger.ms", "1", error, sizeof error)) die("linger.ms", error);
  if (rd_kafka_conf_set(conf, "batch.num.messages", "100", error, sizeof error)) die("batch.num.messages", error);
  rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
  rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
  if (!rk) die("producer", error);
  for (long i = 0; i < count; ++i) {
    int n = snprintf(text, sizeof text, "%ld", i);
    rd_kafka_resp_err_t e;
    while ((e = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_VALUE(text, (size_t)n),
                                  RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
      rd_kafka_poll(rk, 10);
    if (e) die("produce", rd_kafka_err2str(e));
    rd_kafka_poll(rk, 0);
  }
  if (rd_kafka_flush(rk, 60000)) die("flush", "not everything was acknowledged within 60 s");
  rd_kafka_destroy(rk);
  if (failed || acknowledged != count) die("produce", "not every message was acknowledged at its offset");
}

static void consume(const char *brokers, const char *topic, long count) {
  char error[512], expected[32];
  rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf_of(brokers), error, sizeof error);
  if (!rk) die("consumer", error);
  rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
  if (rd_kafka_consume_start(rkt, 0, RD_KAFKA_OFFSET_BEGINNING)) die("consume", "cannot start");
  for (long i = 0; i < count;) {
    rd_kafka_message_t *m = rd_kafka_consume(rkt, 0, 30000);
    if (!m) die("consume", "nothing within 30 s");
    if (m->err) die("consume", rd_kafka_message_errstr(m));
    int n = snprintf(expected, sizeof expected, "%ld", i);
    if (m->offset != i || m->len != (size_t)n || memcmp(m->payload, expected, m->len)) die("consume", "a message is missing, twice there or out of order");
    rd_kafka_message_destroy(m);
    ++i;
  }
  rd_kafka_consume_stop(rkt, 0);
  rd_kafka_topic_destroy(rkt);
  rd_kafka_destroy(rk);
}

int main(int argc, char **argv) {
  if (argc != 4) die("usage", "idempotent_roundtrip BROKERS TOPIC COUNT");
  long count = atol(argv[3]);
  produce(argv[1], argv[2], count);
  consume(argv[1], argv[2], count);
  printf("ok %ld\n", count);
  return 0;
}
