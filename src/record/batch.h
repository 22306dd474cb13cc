// RecordBatch v2, the unit in which records are sent, stored and fetched (Apache Kafka's message format, magic 2).
//
//   baseOffset i64 | batchLength i32 (bytes after this field) | partitionLeaderEpoch i32 | magic i8 = 2 | crc u32
//   | attributes i16 (bits 0-2 codec, 3 log append time, 4 transactional, 5 control) | lastOffsetDelta i32
//   | baseTimestamp i64 | maxTimestamp i64 | producerId i64 | producerEpoch i16 | baseSequence i32 | recordsCount i32
//   | records (each: length varint, attributes i8, timestampDelta varlong, offsetDelta varint, key, value, headers)
//
// All big-endian. crc is CRC-32C over everything from `attributes` on, so base offset and leader epoch may be changed on the
// way out without touching the producer's bytes. Times are milliseconds since 1970.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "bytes/compression.h"
#include "bytes/slice.h"

namespace tidemill::record {

inline constexpr std::size_t batch_header_bytes = 61;
// The first part, which a reader gets rewritten: base offset, length, leader epoch. The rest goes out as stored.
inline constexpr std::size_t batch_prefix_bytes = 16;
inline constexpr std::size_t decompressed_bytes_max = 256u << 20;

struct BatchHeader {
  std::int64_t base_offset = 0;
  std::int32_t length = 0;  // bytes after the length field
  std::int32_t leader_epoch = -1;
  std::int8_t magic = 2;
  std::uint32_t crc = 0;
  std::int16_t attributes = 0;
  std::int32_t last_offset_delta = 0;
  std::int64_t base_timestamp = 0;
  std::int64_t max_timestamp = 0;
  std::int64_t producer_id = -1;
  std::int16_t producer_epoch = -1;
  std::int32_t base_sequence = -1;
  std::int32_t records_count = 0;

  Codec codec() const { return static_cast<Codec>(attributes & 7); }
  bool transactional() const { return attributes & 0x10; }
  bool control() const { return attributes & 0x20; }
  std::size_t total_bytes() const { return static_cast<std::size_t>(length) + 12; }
  std::int64_t next_offset() const { return base_offset + last_offset_delta + 1; }
};

// Reads the header; Code::corrupt when `bytes` are shorter than the batch says, or the header contradicts itself. No CRC.
Result<BatchHeader> read_header(std::span<const std::byte> bytes);

// Checks one batch wholly without decompressing it: header, magic, CRC, codec known, last_offset_delta + 1 == records_count > 0.
Result<BatchHeader> validate_batch(std::span<const std::byte> bytes);

// The same for a batch that the log holds: compaction may have taken records out of it, all of them even; the offsets stay.
Result<BatchHeader> validate_stored_batch(std::span<const std::byte> bytes);

// The 16 bytes that replace a stored batch's first 16 on the way to a reader.
std::string batch_prefix(const BatchHeader& header, Offset base, std::int32_t leader_epoch);

struct Header {
  std::string_view key;
  std::optional<std::string_view> value;
};

// One record, pointing into the batch (or its decompressed form). null key and null value are nullopt.
struct RecordView {
  std::int64_t offset = 0;
  std::int64_t timestamp_ms = 0;
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::string_view headers;  // encoded: varint count, then key/value pairs; decode with read_headers
};
Result<std::vector<Header>> read_headers(std::string_view encoded);

// The records of one stored batch, in order. Decompresses once. Offsets count from `base`.
//   TRY_ASSIGN(records, BatchRecords::open(slice, base)); for (;;) { TRY_ASSIGN(more, records.next(view)); if (!more) break; }
class BatchRecords {
 public:
  static Result<BatchRecords> open(Slice batch, Offset base);
  const BatchHeader& header() const { return header_; }
  // False at the end. Views stay valid as long as this object and the batch it was opened with.
  Result<bool> next(RecordView& record);

 private:
  BatchHeader header_;
  Offset base_;
  Slice body_;  // the records, uncompressed
  std::size_t at_ = 0;
  std::int32_t seen_ = 0;
};

// Builds one batch. Offsets are relative (0, 1, ...); the log assigns the base.
class BatchBuilder {
 public:
  explicit BatchBuilder(Codec codec = Codec::none) : codec_(codec) {}
  struct HeaderPair { std::string_view key; std::optional<std::string_view> value; };
  void add(std::int64_t timestamp_ms, std::optional<std::string_view> key, std::optional<std::string_view> value,
           std::span<const HeaderPair> headers = {});
  // The same with headers already in their encoded form (RecordView::headers); empty means none.
  void add_encoded(std::int64_t timestamp_ms, std::optional<std::string_view> key, std::optional<std::string_view> value,
                   std::string_view encoded_headers);
  void producer(std::int64_t id, std::int16_t epoch, std::int32_t base_sequence);
  std::int32_t count() const { return count_; }
  std::size_t body_bytes() const { return body_.size(); }
  // The finished batch; the builder is empty again. CHECKs that it holds a record.
  Slice finish();

 private:
  void begin_record(std::int64_t timestamp_ms, std::size_t payload_bytes);
  Codec codec_;
  std::string body_;
  std::int32_t count_ = 0;
  std::int64_t base_timestamp_ = 0, max_timestamp_ = -1;
  std::int64_t producer_id_ = -1;
  std::int16_t producer_epoch_ = -1;
  std::int32_t base_sequence_ = -1;
};

}  // namespace tidemill::record
