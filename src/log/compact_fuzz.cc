// Compaction over batches whose records are anything: producers send what they like under a good checksum, and nobody looks inside
// before this. It must never crash, every offset must still be answered for, and what can be decoded must still be decodable.
#include "base/check.h"
#include "log/test_compaction.h"

namespace {

using namespace tidemill;
using namespace tidemill::log;

// Some bytes become the records, others the numbers in the header.
Slice batch_from(ByteReader& in) {
  ByteWriter out;
  auto delta = in.u8() % 16;
  auto attributes = static_cast<std::int16_t>((in.u8() & 0x7f) % 0x78);
  if ((attributes & 7) > 4) attributes = 0;
  auto count = in.u8() % (delta + 2);
  auto size = std::min<std::size_t>(in.u8(), in.remaining());
  out.i64(0);
  out.i32(static_cast<std::int32_t>(record::batch_header_bytes - 12 + size));
  out.i32(-1);
  out.i8(2);
  out.u32(0);
  out.i16(attributes);
  out.i32(delta);
  out.i64(in.i8());
  out.i64(in.i8());
  out.i64(in.u8() % 3 - 1);
  out.i16(0);
  out.i32(0);
  out.i32(count);
  out.bytes(in.take(std::min(size, in.remaining())));
  out.zeros(record::batch_header_bytes + size - out.size());
  out.patch_be(17, crc32c(as_bytes(out.view().substr(21))));
  return Slice::own(out.take());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteReader in(std::as_bytes(std::span(data, size)));
  CompactionPolicy policy{.from_start = (in.u8() & 1) != 0, .min_lag_ms = in.i8(), .delete_retention_ms = in.i8(), .keys_max = 1u + in.u8() % 4};
  KnownEntries entries;
  Offset end{0};
  while (in.remaining() > 12 && entries.size() < 20) {
    auto batch = batch_from(in);
    if (!record::validate_stored_batch(batch.bytes())) continue;
    entries.push_back(known_entry(1, end.value, end.value, std::move(batch)));
    end = entries.back().entry.end();
  }
  if (entries.empty()) return 0;
  auto once = compact(entries, policy, 50);
  auto twice = compact(once, policy, 5000);
  for (auto* left : {&once, &twice}) {
    Offset at{0};
    for (auto& known : *left) {
      CHECK(known.entry.from == at, "{} after {}", known.entry.from.value, at.value);
      CHECK(check_segment_batch(known.entry, known.batch.bytes()).has_value());
      at = known.entry.end();
    }
    CHECK(at == end, "{} of {}", at.value, end.value);
  }
  return 0;
}
