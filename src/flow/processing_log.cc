#include "flow/processing_log.h"

#include "flow/value_text.h"

namespace tidemill::flow {

void write_processing_error(const ProcessingError& error, std::string& out) {
  constexpr std::size_t message_bytes_max = 2000;
  bool reading = error.what == ProcessingError::What::deserialization;
  std::string message(error.message.substr(0, message_bytes_max));
  while (!valid_utf8(message)) message.pop_back();  // cut in the middle of a character
  message += " (partition " + std::to_string(error.origin.partition) + ", offset " + std::to_string(error.origin.offset) + ")";
  out = R"({"level":"ERROR","logger":)";
  append_json_string(out, "processing." + std::string(error.query_id) + (reading ? ".Source.deserializer" : ".Project"));
  out += ",\"time\":" + std::to_string(error.origin.timestamp_ms) + ",\"message\":{\"type\":" + (reading ? "0" : "1");
  out += ",\"deserializationError\":";
  if (reading) {
    out += std::string("{\"target\":\"") + (error.in_key ? "key" : "value") + "\",\"errorMessage\":";
    append_json_string(out, message);
    out += ",\"recordB64\":null,\"cause\":[],\"topic\":";
    append_json_string(out, error.topic);
    out += "}";
  } else {
    out += "null";
  }
  out += ",\"recordProcessingError\":";
  if (reading) {
    out += "null";
  } else {
    out += "{\"errorMessage\":";
    append_json_string(out, message);
    out += ",\"record\":null,\"cause\":[]}";
  }
  out += R"(,"productionError":null,"serializationError":null,"kafkaStreamsThreadError":null}})";
}

}  // namespace tidemill::flow
