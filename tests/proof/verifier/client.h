// What all modes share: the command line's words and a librdkafka handle that survives restarts of the server.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <map>
#include <string>

#include "acks.h"

namespace verifier {

// --name value, each with a default. A name that no mode asks for is not noticed.
class Words {
 public:
  Words(int count, char** words);
  std::string text(const std::string& name, const std::string& otherwise = "") const;
  std::uint64_t number(const std::string& name, std::uint64_t otherwise) const;

 private:
  std::map<std::string, std::string> words_;
};

using Settings = std::map<std::string, std::string>;

// Ends the program when a setting is not taken.
rd_kafka_conf_t* configuration(const std::string& brokers, const Settings& more);
rd_kafka_topic_t* topic_handle(rd_kafka_t* client, const std::string& name, const Settings& more = {});

// Topic k of a run is called PREFIXk.
inline std::string topic_name(const Words& words, std::uint32_t topic) { return words.text("prefix", "proof-") + std::to_string(topic); }

int load(const Words& words);
int script(const Words& words);
int check(const Words& words);

}  // namespace verifier
