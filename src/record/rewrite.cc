#include "record/rewrite.h"

#include <fmt/core.h>

#include "base/check.h"
#include "bytes/crc32c.h"
#include "bytes/cursor.h"

namespace tidemill::record {
namespace {

constexpr std::int16_t log_append_time = 0x08;
constexpr std::int16_t codec_bits = 0x07;
constexpr std::size_t crc_at = 17, crc_start = 21;
constexpr std::int64_t no_timestamp = -1;

// A stranger's times may be anything, and wrap.
std::int64_t plus(std::int64_t a, std::int64_t b) { return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b)); }
std::int64_t minus(std::int64_t a, std::int64_t b) { return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b)); }

Slice encode_batch(const BatchHeader& header, std::string_view body) {
  ByteWriter out;
  out.reserve(batch_header_bytes + body.size());
  out.i64(header.base_offset);
  out.i32(static_cast<std::int32_t>(batch_header_bytes - 12 + body.size()));
  out.i32(header.leader_epoch);
  out.i8(header.magic);
  out.u32(0);
  out.i16(header.attributes);
  out.i32(header.last_offset_delta);
  out.i64(header.base_timestamp);
  out.i64(header.max_timestamp);
  out.i64(header.producer_id);
  out.i16(header.producer_epoch);
  out.i32(header.base_sequence);
  out.i32(header.records_count);
  out.text(body);
  out.patch_be(crc_at, crc32c(as_bytes(out.view().substr(crc_start))));
  return Slice::own(out.take());
}

// The same record, counting its time from another base.
void rebase(std::string_view record, std::int64_t timestamp_ms, std::int64_t base_ms, ByteWriter& out) {
  ByteReader in(record);
  auto attributes = in.i8();
  (void)in.varint64();
  auto rest = record.substr(in.position());
  ByteWriter delta;
  delta.varint64(minus(timestamp_ms, base_ms));
  out.varint64(static_cast<std::int64_t>(1 + delta.size() + rest.size()));
  out.i8(attributes);
  out.text(delta.view());
  out.text(rest);
}

struct Kept {
  ByteWriter body;
  std::int32_t count = 0;
  std::int64_t max_timestamp = no_timestamp;
};

Result<Kept> copy_kept(std::span<const std::byte> body, const BatchHeader& header, const std::vector<bool>& keep, std::optional<std::int64_t> horizon_ms) {
  Kept out;
  ByteReader in(body);
  for (std::size_t i = 0; i < keep.size(); ++i) {
    auto start = in.position();
    auto length = in.varint64();
    auto record = in.text(length < 0 ? in.remaining() + 1 : static_cast<std::size_t>(length));
    ByteReader inside(record);
    inside.skip(1);
    auto timestamp = plus(header.base_timestamp, inside.varint64());
    if (!in.ok() || !inside.ok()) return fail(Code::corrupt, fmt::format("record batch: record {} runs past its batch", i));
    if (!keep[i]) continue;
    ++out.count;
    out.max_timestamp = out.count == 1 ? timestamp : std::max(out.max_timestamp, timestamp);
    if (horizon_ms) rebase(record, timestamp, *horizon_ms, out.body);
    else out.body.bytes(body.subspan(start, in.position() - start));
  }
  return out;
}

}  // namespace

std::optional<std::int64_t> delete_horizon(const BatchHeader& header) {
  return header.attributes & has_delete_horizon ? std::optional(header.base_timestamp) : std::nullopt;
}

Result<Slice> keep_records(const Slice& batch, const std::vector<bool>& keep, std::optional<std::int64_t> horizon_ms) {
  TRY_ASSIGN(header, read_header(batch.bytes()));
  CHECK(keep.size() == static_cast<std::size_t>(header.records_count), "{} of {}", keep.size(), header.records_count);
  auto body = batch.part(batch_header_bytes, header.total_bytes() - batch_header_bytes);
  if (header.codec() != Codec::none) {
    TRY_ASSIGN(plain, decompress(header.codec(), body.bytes(), decompressed_bytes_max));
    body = Slice::own(std::move(plain));
  }
  TRY_ASSIGN(kept, copy_kept(body.bytes(), header, keep, horizon_ms));
  CHECK(kept.count > 0);
  header.records_count = kept.count;
  if (!(header.attributes & log_append_time)) header.max_timestamp = kept.max_timestamp;
  if (horizon_ms) {
    header.attributes = static_cast<std::int16_t>(header.attributes | has_delete_horizon);
    header.base_timestamp = *horizon_ms;
  }
  if (header.codec() == Codec::none) return encode_batch(header, kept.body.view());
  TRY_ASSIGN(packed, compress(header.codec(), as_bytes(kept.body.view())));
  return encode_batch(header, packed);
}

Slice empty_batch(const BatchHeader& header) {
  auto empty = header;
  empty.attributes = static_cast<std::int16_t>(header.attributes & ~(codec_bits | has_delete_horizon));
  empty.base_timestamp = no_timestamp;
  empty.records_count = 0;
  return encode_batch(empty, {});
}

}  // namespace tidemill::record
