// The processing log: one JSON record for each row that could not be read or computed, in the shape ksqlDB gives it, so that a stream can
// be declared over it. TIME is the row's own timestamp: the same input gives the same log.
#pragma once

#include <string>
#include <string_view>

#include "record/chunk.h"

namespace tidemill::flow {

struct ProcessingError {
  enum class What : std::uint8_t { deserialization = 0, processing = 1, production = 2 } what = What::processing;
  std::string_view query_id;
  std::string_view topic;
  bool in_key = false;
  std::string_view message;
  const record::RowOrigin& origin;
};
void write_processing_error(const ProcessingError& error, std::string& out);

}  // namespace tidemill::flow
