// What every implementation of the log refuses before it looks at anything else, in the same words.
#pragma once

#include <vector>

#include "log/log.h"
#include "record/batch.h"

namespace tidemill::log {

// The headers of all batches, when the append is well formed and within its limits. `append_bytes_max` holds for several
// batches together, `batch_bytes_max` for a single one.
Result<std::vector<record::BatchHeader>> check_append(const Append& append, std::size_t append_bytes_max, std::size_t batch_bytes_max);

Error stream_is_deleted(StreamId stream);
Error offset_out_of_range(Offset from, const Bounds& bounds);

}  // namespace tidemill::log
