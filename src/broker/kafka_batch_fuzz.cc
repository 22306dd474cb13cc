// Record batches as a stranger sends them: whatever check_batch() lets through can be read record by record to its end.
// The checksum is mended first, or hardly any input would get past it.
#include <cstring>

#include "base/check.h"
#include "broker/produce.h"
#include "bytes/crc32c.h"
#include "bytes/cursor.h"
#include "record/batch.h"

using namespace tidemill;

namespace {

constexpr std::int64_t now_ms = 1'000'000;
constexpr std::size_t length_at = 8, crc_at = 17, crc_from = 21;

template <class T>
void put(std::string& bytes, std::size_t at, T value) {
  value = byteswap_of(value);
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

std::string mended(std::string bytes) {
  if (bytes.size() < record::batch_header_bytes) return bytes;
  put(bytes, length_at, static_cast<std::int32_t>(bytes.size() - 12));
  put(bytes, crc_at, crc32c(as_bytes(bytes).subspan(crc_from)));
  return bytes;
}

void read_all(const Slice& batch) {
  auto records = record::BatchRecords::open(batch, Offset(5));
  if (!records) return;  // the codec's own bytes may be bad: found by who reads them
  std::int32_t count = 0;
  for (record::RecordView record;; ++count) {
    auto more = records->next(record);
    if (!more) return;
    if (!*more) break;
    (void)record::read_headers(record.headers);
  }
  CHECK(count == records->header().records_count, "{} records of {}", count, records->header().records_count);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto batch = Slice::own(data[0] & 1 ? mended(std::move(bytes)) : std::move(bytes));
  broker::TopicRules plain{.message_bytes_max = 1u << 20, .timestamp_before_max_ms = INT64_MAX, .timestamp_after_max_ms = INT64_MAX};
  auto strict = plain;
  strict.compacted = true;
  strict.timestamp_before_max_ms = strict.timestamp_after_max_ms = 1000;
  auto produced = broker::check_batch(plain, "plain", batch, now_ms);
  if (produced.refusal) return 0;
  read_all(batch);
  (void)broker::check_batch(strict, "strict", batch, now_ms);
  CHECK(record::validate_batch(broker::with_append_time(batch, now_ms).bytes()), "a stamped batch is no batch");
  return 0;
}
