// One line of COPY ... TO STDOUT in text format, taken apart: fields between tabs, \N for null, backslash escapes.
#pragma once

#include <string>
#include <string_view>

#include "connect/postgres/pgoutput.h"

namespace tidemill::connect::postgres {

// Unescapes in place: the row's texts point into `line`. The line's own newline is dropped.
void split_copy_line(std::string& line, Row& row);

}  // namespace tidemill::connect::postgres
