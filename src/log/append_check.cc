#include "log/append_check.h"

#include <fmt/core.h>

namespace tidemill::log {

Result<std::vector<record::BatchHeader>> check_append(const Append& append, std::size_t append_bytes_max, std::size_t batch_bytes_max) {
  if (append.entries.empty() && append.marks.empty()) return fail(Code::invalid, "an append needs at least one batch or mark");
  std::vector<record::BatchHeader> headers;
  headers.reserve(append.entries.size());
  std::size_t bytes = append.marks.size() * sizeof(Mark);
  for (auto& entry : append.entries) {
    TRY_ASSIGN(header, record::read_header(entry.batch.bytes()));
    if (header.total_bytes() != entry.batch.size())
      return fail(Code::invalid, fmt::format("batch says {} bytes, {} were given", header.total_bytes(), entry.batch.size()));
    if (header.records_count < 1 || header.last_offset_delta != header.records_count - 1)
      return fail(Code::invalid, fmt::format("batch of {} records ends at offset delta {}", header.records_count, header.last_offset_delta));
    bytes += entry.batch.size();
    headers.push_back(header);
  }
  auto limit = append.entries.size() == 1 ? std::max(append_bytes_max, batch_bytes_max) : append_bytes_max;
  if (bytes > limit) return fail(Code::too_large, fmt::format("an append of {} bytes; at most {} fit", bytes, limit), "send smaller batches");
  return headers;
}

Error stream_is_deleted(StreamId stream) { return fail(Code::not_found, fmt::format("stream {} is deleted", stream.value)); }

Error offset_out_of_range(Offset from, const Bounds& bounds) {
  return fail(Code::out_of_range, fmt::format("offset {} is outside [{}, {}]", from.value, bounds.start.value, bounds.end.value));
}

}  // namespace tidemill::log
