#include "record/batch.h"

#include <fmt/core.h>

#include "base/check.h"
#include "bytes/crc32c.h"
#include "bytes/cursor.h"

namespace tidemill::record {
namespace {

constexpr std::size_t crc_start = 21;  // `attributes`

Error corrupt(std::string what) { return fail(Code::corrupt, "record batch: " + std::move(what)); }

std::size_t varint_bytes(std::int64_t v) {
  auto u = (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63);
  std::size_t n = 1;
  while (u >= 0x80) { u >>= 7; ++n; }
  return n;
}

void put_varint(std::string& out, std::int64_t v) {
  auto u = (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63);
  while (u >= 0x80) { out.push_back(static_cast<char>(u | 0x80)); u >>= 7; }
  out.push_back(static_cast<char>(u));
}

std::size_t field_bytes(std::optional<std::string_view> field) {
  return field ? varint_bytes(static_cast<std::int64_t>(field->size())) + field->size() : 1;
}

void put_field(std::string& out, std::optional<std::string_view> field) {
  put_varint(out, field ? static_cast<std::int64_t>(field->size()) : -1);
  if (field) out.append(*field);
}

// A length-prefixed field that may be null; fails the reader when the length runs past the end.
std::optional<std::string_view> take_field(ByteReader& in) {
  auto size = in.varint64();
  if (size == -1) return std::nullopt;
  if (size < 0) { in.fail(); return std::nullopt; }
  return in.text(static_cast<std::size_t>(size));
}

}  // namespace

Result<BatchHeader> read_header(std::span<const std::byte> bytes) {
  if (bytes.size() < batch_header_bytes) return corrupt(fmt::format("{} bytes are shorter than a header", bytes.size()));
  ByteReader in(bytes);
  BatchHeader h;
  h.base_offset = in.i64();
  h.length = in.i32();
  h.leader_epoch = in.i32();
  h.magic = in.i8();
  h.crc = in.u32();
  h.attributes = in.i16();
  h.last_offset_delta = in.i32();
  h.base_timestamp = in.i64();
  h.max_timestamp = in.i64();
  h.producer_id = in.i64();
  h.producer_epoch = in.i16();
  h.base_sequence = in.i32();
  h.records_count = in.i32();
  if (h.magic != 2)
    return fail(Code::unsupported, fmt::format("record batch has magic {}", h.magic), "send message format v2 (any client since 0.11 does)");
  if (h.length < static_cast<std::int32_t>(batch_header_bytes - 12)) return corrupt(fmt::format("length {} is too small", h.length));
  if (h.total_bytes() > bytes.size()) return corrupt(fmt::format("length {} runs past {} bytes", h.length, bytes.size()));
  if (h.last_offset_delta < 0 || h.records_count < 0) return corrupt("negative count");
  return h;
}

Result<BatchHeader> validate_stored_batch(std::span<const std::byte> bytes) {
  TRY_ASSIGN(h, read_header(bytes));
  auto crc = crc32c(bytes.subspan(crc_start, h.total_bytes() - crc_start));
  if (crc != h.crc)
    return fail(Code::corrupt, fmt::format("record batch: checksum is {:08x}, stored {:08x}", crc, h.crc), "it was damaged on its way: send it again");
  if ((h.attributes & 7) > 4) return fail(Code::unsupported, fmt::format("unknown compression codec {}", h.attributes & 7));
  if (h.records_count - 1 > h.last_offset_delta)
    return corrupt(fmt::format("{} records but last offset delta {}", h.records_count, h.last_offset_delta));
  return h;
}

Result<BatchHeader> validate_batch(std::span<const std::byte> bytes) {
  TRY_ASSIGN(h, validate_stored_batch(bytes));
  if (h.records_count < 1 || h.last_offset_delta != h.records_count - 1)
    return corrupt(fmt::format("{} records but last offset delta {}", h.records_count, h.last_offset_delta));
  return h;
}

std::string batch_prefix(const BatchHeader& header, Offset base, std::int32_t leader_epoch) {
  ByteWriter out;
  out.i64(base.value);
  out.i32(header.length);
  out.i32(leader_epoch);
  return out.take();
}

Result<std::vector<Header>> read_headers(std::string_view encoded) {
  std::vector<Header> headers;
  if (encoded.empty()) return headers;
  ByteReader in(encoded);
  auto count = in.varint();
  if (count < 0 || static_cast<std::size_t>(count) > in.remaining()) return corrupt("header count");
  for (std::int32_t i = 0; i < count && in.ok(); ++i) {
    auto key = take_field(in);
    auto value = take_field(in);
    if (!key) return corrupt("header without key");
    headers.push_back({*key, value});
  }
  if (!in.ok()) return corrupt("header runs past its record");
  return headers;
}

Result<BatchRecords> BatchRecords::open(Slice batch, Offset base) {
  BatchRecords records;
  TRY_ASSIGN(header, read_header(batch.bytes()));
  records.header_ = header;
  records.base_ = base;
  auto body = batch.part(batch_header_bytes, header.total_bytes() - batch_header_bytes);
  if (header.codec() == Codec::none) {
    records.body_ = std::move(body);
  } else {
    TRY_ASSIGN(plain, decompress(header.codec(), body.bytes(), decompressed_bytes_max));
    records.body_ = Slice::own(std::move(plain));
  }
  return records;
}

Result<bool> BatchRecords::next(RecordView& record) {
  if (seen_ == header_.records_count) {
    if (at_ != body_.size()) return corrupt(fmt::format("{} bytes after the last record", body_.size() - at_));
    return false;
  }
  ByteReader in(body_.bytes().subspan(at_));
  auto length = in.varint64();
  if (!in.ok() || length < 0 || static_cast<std::size_t>(length) > in.remaining()) return corrupt("record runs past its batch");
  auto start = in.position();
  ByteReader r(body_.bytes().subspan(at_ + start, static_cast<std::size_t>(length)));
  r.skip(1);
  // Unsigned: a stranger's times may be anything, and wrap.
  record.timestamp_ms = static_cast<std::int64_t>(static_cast<std::uint64_t>(header_.base_timestamp) + static_cast<std::uint64_t>(r.varint64()));
  auto delta = r.varint();
  if (delta < 0 || delta > header_.last_offset_delta) return corrupt(fmt::format("offset delta {} of {}", delta, header_.last_offset_delta));
  record.offset = base_.value + delta;
  if (header_.attributes & 0x08) record.timestamp_ms = header_.max_timestamp;
  record.key = take_field(r);
  record.value = take_field(r);
  record.headers = r.text(r.remaining());
  if (!r.ok()) return corrupt("field runs past its record");
  at_ += start + static_cast<std::size_t>(length);
  ++seen_;
  return true;
}

void BatchBuilder::begin_record(std::int64_t timestamp_ms, std::size_t payload_bytes) {
  if (count_ == 0) base_timestamp_ = timestamp_ms;
  max_timestamp_ = std::max(max_timestamp_, timestamp_ms);
  auto delta = timestamp_ms - base_timestamp_;
  put_varint(body_, static_cast<std::int64_t>(1 + varint_bytes(delta) + varint_bytes(count_) + payload_bytes));
  body_.push_back('\0');
  put_varint(body_, delta);
  put_varint(body_, count_);
  ++count_;
}

void BatchBuilder::add(std::int64_t timestamp_ms, std::optional<std::string_view> key, std::optional<std::string_view> value,
                       std::span<const HeaderPair> headers) {
  std::string encoded;
  if (!headers.empty()) {
    put_varint(encoded, static_cast<std::int64_t>(headers.size()));
    for (auto& h : headers) {
      put_field(encoded, h.key);
      put_field(encoded, h.value);
    }
  }
  add_encoded(timestamp_ms, key, value, encoded);
}

void BatchBuilder::add_encoded(std::int64_t timestamp_ms, std::optional<std::string_view> key,
                               std::optional<std::string_view> value, std::string_view encoded_headers) {
  static constexpr std::string_view no_headers{"\0", 1};
  if (encoded_headers.empty()) encoded_headers = no_headers;
  begin_record(timestamp_ms, field_bytes(key) + field_bytes(value) + encoded_headers.size());
  put_field(body_, key);
  put_field(body_, value);
  body_.append(encoded_headers);
}

void BatchBuilder::producer(std::int64_t id, std::int16_t epoch, std::int32_t base_sequence) {
  producer_id_ = id;
  producer_epoch_ = epoch;
  base_sequence_ = base_sequence;
}

Slice BatchBuilder::finish() {
  CHECK(count_ > 0);
  if (codec_ != Codec::none) {
    auto packed = compress(codec_, as_bytes(body_));
    CHECK(packed.has_value(), "{}", packed.error().text());
    body_ = std::move(*packed);
  }
  ByteWriter out;
  out.reserve(batch_header_bytes + body_.size());
  out.i64(0);
  out.i32(static_cast<std::int32_t>(batch_header_bytes - 12 + body_.size()));
  out.i32(-1);
  out.i8(2);
  out.u32(0);
  out.i16(static_cast<std::int16_t>(codec_));
  out.i32(count_ - 1);
  out.i64(base_timestamp_);
  out.i64(max_timestamp_);
  out.i64(producer_id_);
  out.i16(producer_epoch_);
  out.i32(base_sequence_);
  out.i32(count_);
  out.text(body_);
  out.patch_be(17, crc32c(as_bytes(out.view().substr(crc_start))));
  *this = BatchBuilder(codec_);
  return Slice::own(out.take());
}

}  // namespace tidemill::record
