// CAST and the implicit widenings, on single values (streaming SQL's table of casts). Errors are the row's, not the query's.
#pragma once

#include <string>

#include "base/result.h"
#include "record/types.h"

namespace tidemill::flow {

Result<record::Value> cast_value(const record::Value& value, const record::Type& from, const record::Type& to);

// As CAST(x AS STRING) prints it.
std::string cast_text(const record::Value& value, const record::Type& type);

}  // namespace tidemill::flow
