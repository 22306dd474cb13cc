// What can be known of a segment whose footer or index is damaged: everything but the marks that were applied.
#include <fmt/core.h>

#include "log/segment_files.h"

namespace tidemill::log {
namespace {

Result<std::string> read_block(const world::File& file, std::uint64_t position) {
  std::string block(block_bytes, '\0');
  TRY_ASSIGN(got, file.read_at(position, std::as_writable_bytes(std::span(block))));
  block.resize(got);
  return block;
}

void count_entry(SegmentInfo& info, const SegmentEntry& entry, std::uint64_t position) {
  bool first = info.entries++ == 0;
  if (first) info.first_stream = entry.stream;
  info.last_stream = entry.stream;
  info.oldest_ms = first ? entry.max_timestamp : std::min(info.oldest_ms, entry.max_timestamp);
  info.newest_ms = first ? entry.max_timestamp : std::max(info.newest_ms, entry.max_timestamp);
  info.newest_append_ms = first ? entry.append_time_ms : std::max(info.newest_append_ms, entry.append_time_ms);
  info.data_end = position + entry.bytes();
}

}  // namespace

Result<SegmentInfo> SegmentFiles::load_info(std::uint64_t number) {
  TRY_ASSIGN(file, files_.file(number));
  TRY_ASSIGN(bytes, file->size());
  if (bytes >= 2 * block_bytes) {
    auto block = read_block(*file, bytes - block_bytes);
    auto info = block ? decode_segment_footer(as_bytes(*block), bytes) : Result<SegmentInfo>(block.error());
    if (info && info->number == number) return info;
    if (!info && info.error().code == Code::unsupported) return info.error();
  }
  return rebuild_info(number);
}

Result<SegmentIdentity> SegmentFiles::identity_of(std::uint64_t number) {
  TRY_ASSIGN(file, files_.file(number));
  auto block = read_block(*file, 0);
  auto identity = block ? decode_segment_header(as_bytes(*block)) : Result<SegmentIdentity>(block.error());
  if (identity && identity->number == number) return identity;
  if (!identity && identity.error().code == Code::unsupported) return identity;
  TRY_ASSIGN(bytes, file->size());
  if (bytes < 2 * block_bytes) return fail(Code::corrupt, fmt::format("segment {} has neither header nor footer", number), "check the disk");
  TRY_ASSIGN(last, read_block(*file, bytes - block_bytes));
  TRY_ASSIGN(info, decode_segment_footer(as_bytes(last), bytes));
  if (info.number != number) return fail(Code::corrupt, fmt::format("segment {} says it is segment {}", number, info.number), "check the disk");
  return static_cast<SegmentIdentity>(info);
}

Result<SegmentFiles::Rescued> SegmentFiles::rescue(std::uint64_t number, const SegmentIdentity& identity, std::uint64_t end) {
  TRY_ASSIGN(file, files_.file(number));
  TRY_ASSIGN(bytes, file->size());
  SegmentScan scan(file, number, identity.salt, {block_bytes, end});
  Rescued out;
  static_cast<SegmentIdentity&>(out.info) = identity;
  out.info.data_end = block_bytes;
  SegmentRows rows;
  while (scan.next()) {
    if (scan.position() != out.info.data_end) rows.interrupt();
    rows.add(scan.entry(), scan.position());
    count_entry(out.info, scan.entry(), scan.position());
  }
  out.info.file_bytes = bytes;
  out.info.index = {whole_blocks(out.info.data_end), rows.rows().size()};
  out.rows = std::make_shared<const std::vector<SegmentRow>>(rows.take());
  return out;
}

Result<SegmentInfo> SegmentFiles::rebuild_info(std::uint64_t number) {
  TRY_ASSIGN(identity, identity_of(number));
  TRY_ASSIGN(file, files_.file(number));
  TRY_ASSIGN(bytes, file->size());
  TRY_ASSIGN(rescued, rescue(number, identity, bytes));
  std::lock_guard hold(mutex_);
  rebuilt_[number] = rescued.rows;
  return rescued.info;
}

}  // namespace tidemill::log
