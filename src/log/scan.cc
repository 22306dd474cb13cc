#include "log/scan.h"

namespace tidemill::log {
namespace {

constexpr std::uint64_t read_ahead_bytes = 1u << 20;

}  // namespace

bool FileScan::fill(std::uint64_t position, std::uint64_t count) {
  window_.resize(count);
  window_at_ = position;
  auto got = file_.read_at(position, std::as_writable_bytes(std::span(window_)));
  window_.resize(got ? *got : 0);
  return got.has_value();
}

std::span<const std::byte> FileScan::bytes(std::uint64_t position, std::uint64_t count) {
  if (position >= file_bytes_) return {};
  count = std::min(count, file_bytes_ - position);
  if (position < window_at_ || position + count > window_at_ + window_.size()) {
    auto ahead = std::min(std::max(count, read_ahead_bytes), file_bytes_ - position);
    if (!fill(position, ahead) && ahead > count) fill(position, count);  // one bad sector must not hide its neighbours
  }
  if (position < window_at_ || position >= window_at_ + window_.size()) return {};
  return as_bytes(window_).subspan(position - window_at_).first(std::min<std::uint64_t>(count, window_at_ + window_.size() - position));
}

std::optional<FoundGroup> FileScan::at(std::uint64_t position, Trust trust) {
  auto header = decode_group_header(bytes(position, group_header_bytes));
  if (!header || (salt_ && header->salt != *salt_)) return std::nullopt;
  if (header->length > file_bytes_ - position) return std::nullopt;
  auto whole = bytes(position, header->length);
  auto group = decode_group(whole, trust);
  if (!group) return std::nullopt;
  if (trust == Trust::checksum) salt_ = group->header.salt;
  return FoundGroup{position, std::move(*group), whole};
}

std::optional<FoundGroup> FileScan::next(std::uint64_t position) {
  for (; position < file_bytes_; position += block_bytes)
    if (auto found = at(position)) return found;
  return std::nullopt;
}

std::optional<std::uint64_t> FileScan::next_leftover(std::uint64_t position) {
  for (; position < file_bytes_; position += block_bytes) {
    auto block = bytes(position, block_bytes);
    auto header = decode_group_header(block);
    if (block.empty() || (header && (!salt_ || header->salt == *salt_))) return position;
  }
  return std::nullopt;
}

}  // namespace tidemill::log
