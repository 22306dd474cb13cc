#include "flow/processing_log.h"

#include "flow/value_text.h"

namespace tidemill::flow {

void write_processing_error(const ProcessingError& error, std::string& out) {
  constexpr std::size_t message_bytes_max = 2000;
  using What = ProcessingError::What;
  std::string message(error.message.substr(0, message_bytes_max));
  while (!valid_utf8(message)) message.pop_back();  // cut in the middle of a character
  message += " (partition " + std::to_string(error.origin.partition) + ", offset " + std::to_string(error.origin.offset) + ")";
  auto told = [&](What what, std::string_view before, std::string_view after) {
    if (error.what != what) return void(out += "null");
    out += before;
    append_json_string(out, message);
    out += after;
  };
  static constexpr const char* places[] = {".Source.deserializer", ".Project", ".Sink"};
  out = R"({"level":"ERROR","logger":)";
  append_json_string(out, "processing." + std::string(error.query_id) + places[static_cast<int>(error.what)]);
  out += ",\"time\":" + std::to_string(error.origin.timestamp_ms) + ",\"message\":{\"type\":" + std::to_string(static_cast<int>(error.what));
  out += ",\"deserializationError\":";
  std::string topic = R"(,"recordB64":null,"cause":[],"topic":)";
  append_json_string(topic, error.topic);
  told(What::deserialization, error.in_key ? R"({"target":"key","errorMessage":)" : R"({"target":"value","errorMessage":)", topic + "}");
  out += ",\"recordProcessingError\":";
  told(What::processing, "{\"errorMessage\":", R"(,"record":null,"cause":[]})");
  out += ",\"productionError\":";
  told(What::production, "{\"errorMessage\":", "}");
  out += R"(,"serializationError":null,"kafkaStreamsThreadError":null}})";
}

}  // namespace tidemill::flow
