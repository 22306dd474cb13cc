// Cells as JSON, the two ways: as the JSON format stores them (numbers for dates and times, upper case is the caller's names) and, in
// queries.h, as REST prints them.
#pragma once

#include <string>

#include "record/chunk.h"

namespace tidemill::flow {

void write_json(const record::Column& column, std::size_t row, std::string& out);

}  // namespace tidemill::flow
