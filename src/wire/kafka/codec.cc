#include "wire/kafka/codec.h"

#include <fmt/core.h>

#include "base/check.h"

namespace tidemill::kafka {
namespace {

// A shorter batch costs less as a copy than as an entry of the gather list.
constexpr std::size_t cut_bytes_min = 1024;

}  // namespace

void Records::add(Slice bytes) {
  auto& part = parts.emplace_back();
  part.bytes = std::move(bytes);
}

void Records::add_stored(Slice batch, Offset base, std::int32_t leader_epoch) {
  auto& part = parts.emplace_back();
  auto offset = byteswap_of(base.value);
  auto epoch = byteswap_of(leader_epoch);
  std::memcpy(part.prefix.data(), &offset, 8);
  std::memcpy(part.prefix.data() + 8, batch.data() + 8, 4);
  std::memcpy(part.prefix.data() + 12, &epoch, 4);
  part.has_prefix = true;
  part.bytes = batch.from(prefix_bytes);
}

std::size_t Records::size() const {
  std::size_t sum = 0;
  for (const auto& part : parts) sum += part.size();
  return sum;
}

Slice Records::whole() const {
  if (parts.size() == 1 && !parts[0].has_prefix) return parts[0].bytes;
  std::string all;
  all.reserve(size());
  for (const auto& part : parts) {
    if (part.has_prefix) all.append(as_text(part.prefix));
    all.append(part.bytes.text());
  }
  return Slice::own(std::move(all));
}

Error Decoder::error(std::string_view message, std::int16_t version) const {
  return fail(Code::invalid, fmt::format("{} v{} is malformed in a frame of {} bytes", message, version, frame_.size()));
}

Uuid Decoder::uuid() {
  auto high = in_.u64();
  return Uuid{high, in_.u64()};
}

// A length that fits what is left of the frame, or -1 for null.
std::int64_t Decoder::length(bool flexible, bool wide) {
  std::int64_t n = flexible ? static_cast<std::int64_t>(in_.uvarint()) - 1 : wide ? in_.i32() : in_.i16();
  if (n < -1 || n > static_cast<std::int64_t>(in_.remaining())) in_.fail();
  return ok() ? n : -1;
}

std::optional<std::string_view> Decoder::text_or_null(bool flexible) {
  auto n = length(flexible, false);
  if (n < 0) return std::nullopt;
  return in_.text(static_cast<std::size_t>(n));
}

std::optional<Records> Decoder::records_or_null(bool flexible) {
  auto n = length(flexible, true);
  if (n < 0) return std::nullopt;
  Records records;
  records.add(frame_.part(in_.position(), static_cast<std::size_t>(n)));
  in_.skip(static_cast<std::size_t>(n));
  return records;
}

std::int64_t Decoder::count(bool flexible, std::size_t least) {
  auto n = length(flexible, true);
  if (n <= 0) return n;
  auto elements = static_cast<std::size_t>(n);
  if (elements > in_.remaining() / least || elements > elements_left_) {
    in_.fail();
    return -1;
  }
  elements_left_ -= elements;
  return n;
}

std::size_t Decoder::count_or_empty(bool flexible, std::size_t least) {
  auto n = count(flexible, least);
  return n < 0 ? 0 : static_cast<std::size_t>(n);
}

std::uint32_t Decoder::tag_count() {
  auto n = in_.uvarint();
  if (n > in_.remaining() / 2) in_.fail();
  return ok() ? n : 0;
}

std::size_t Decoder::tag_end() {
  auto size = in_.uvarint();
  if (size > in_.remaining()) in_.fail();
  return in_.position() + size;
}

void Encoder::length(std::int64_t n, bool flexible, bool wide) {
  if (flexible) out_.uvarint(static_cast<std::uint32_t>(n + 1));
  else if (wide) out_.i32(static_cast<std::int32_t>(n));
  else out_.i16(static_cast<std::int16_t>(n));
}

void Encoder::text(std::string_view v, bool flexible) {
  if (!flexible) v = v.substr(0, INT16_MAX);
  length(static_cast<std::int64_t>(v.size()), flexible, false);
  out_.text(v);
}

void Encoder::records(const Records& v, bool flexible) {
  length(static_cast<std::int64_t>(v.size()), flexible, true);
  for (const auto& part : v.parts) {
    if (part.has_prefix) out_.bytes(part.prefix);
    if (part.bytes.size() < cut_bytes_min) {
      out_.bytes(part.bytes.bytes());
    } else {
      cuts_.push_back({out_.size(), part.bytes});
      cut_bytes_ += part.bytes.size();
    }
  }
}

void Encoder::records_or_null(const std::optional<Records>& v, bool flexible, bool null_allowed) {
  if (v) records(*v, flexible);
  else length(null_allowed ? -1 : 0, flexible, true);
}

void Encoder::tags(const Tags& tags) {
  out_.uvarint(static_cast<std::uint32_t>(tags.tags_.size()));
  for (const auto& [tag, payload] : tags.tags_) {
    CHECK(payload.cuts_.empty(), "tag {} carries records", tag);
    out_.uvarint(tag);
    out_.uvarint(static_cast<std::uint32_t>(payload.out_.size()));
    out_.text(payload.out_.view());
  }
}

std::vector<Slice> Encoder::cut_up(Slice text) const {
  std::vector<Slice> parts;
  std::size_t from = 0;
  for (const auto& cut : cuts_) {
    if (cut.at > from) parts.push_back(text.part(from, cut.at - from));
    parts.push_back(cut.bytes);
    from = cut.at;
  }
  if (from < text.size()) parts.push_back(text.from(from));
  return parts;
}

std::vector<Slice> Encoder::take_framed() {
  CHECK(size() <= INT32_MAX, "a frame of {} bytes", size());
  ByteWriter head;
  head.i32(static_cast<std::int32_t>(size()));
  auto parts = cut_up(Slice::own(out_.take()));
  parts.insert(parts.begin(), Slice::own(head.take()));
  return parts;
}

std::string Encoder::take_body() {
  std::string body;
  body.reserve(size());
  for (const auto& part : cut_up(Slice::own(out_.take()))) body.append(part.text());
  return body;
}

}  // namespace tidemill::kafka
