// The verifier: an outside account of what Tidemill has promised, over librdkafka.
//   verifier load   --brokers B --acks FILE [--topics T] [--partitions P] [--rate N] [--count N] [--seed S] [--usual BYTES] [--large BYTES]
//                   [--linger MS] [--drain SECONDS]
//   verifier script --brokers B --acks FILE --story FILE [--first N] [--rounds N] [--seed S]
//   verifier check  --brokers B --acks FILE [--topics T | --only 0,3,4] [--partitions P] [--seed S]
// Each ends with one line of JSON on standard output. Exit code: 0 all is well, 1 a promise was broken (said on standard error),
// 2 it could not be found out, 3 the load ended with unanswered records, 4 the load met a fatal error.
#include "client.h"

namespace verifier {

Words::Words(int count, char** words) {
  for (int i = 2; i + 1 < count; i += 2) words_[words[i]] = words[i + 1];
}

std::string Words::text(const std::string& name, const std::string& otherwise) const {
  auto found = words_.find("--" + name);
  return found == words_.end() ? otherwise : found->second;
}

std::uint64_t Words::number(const std::string& name, std::uint64_t otherwise) const {
  auto found = text(name);
  return found.empty() ? otherwise : std::stoull(found);
}

rd_kafka_conf_t* configuration(const std::string& brokers, const Settings& more) {
  Settings settings = {{"bootstrap.servers", brokers},      {"reconnect.backoff.ms", "10"}, {"reconnect.backoff.max.ms", "100"},
                       {"retry.backoff.ms", "20"},          {"log_level", "2"},             {"socket.timeout.ms", "20000"},
                       {"topic.metadata.refresh.fast.interval.ms", "20"}};
  for (auto& [name, value] : more) settings[name] = value;
  auto* conf = rd_kafka_conf_new();
  char reason[512];
  for (auto& [name, value] : settings)
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), reason, sizeof reason) != RD_KAFKA_CONF_OK) die(reason);
  return conf;
}

rd_kafka_topic_t* topic_handle(rd_kafka_t* client, const std::string& name, const Settings& more) {
  auto* conf = rd_kafka_topic_conf_new();
  char reason[512];
  for (auto& [setting, value] : more)
    if (rd_kafka_topic_conf_set(conf, setting.c_str(), value.c_str(), reason, sizeof reason) != RD_KAFKA_CONF_OK) die(reason);
  auto* topic = rd_kafka_topic_new(client, name.c_str(), conf);
  if (!topic) die("topic " + name + ": " + rd_kafka_err2str(rd_kafka_last_error()));
  return topic;
}

}  // namespace verifier

int main(int count, char** words) {
  std::string mode = count > 1 ? words[1] : "";
  verifier::Words rest(count, words);
  if (mode == "load") return verifier::load(rest);
  if (mode == "script") return verifier::script(rest);
  if (mode == "check") return verifier::check(rest);
  verifier::die("load, script or check?");
}
