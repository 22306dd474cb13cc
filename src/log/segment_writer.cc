#include "log/segment_writer.h"

#include <fmt/core.h>

#include "base/check.h"

namespace tidemill::log {
namespace {

constexpr std::size_t piece_bytes = 1u << 20;

}  // namespace

SegmentWriter::SegmentWriter(world::Disk& disk, std::string dir, const SegmentIdentity& identity) : disk_(disk), dir_(std::move(dir)) {
  static_cast<SegmentIdentity&>(info_) = identity;
  CHECK(identity.number > 0 && identity.from < identity.to, "segment {}: [{}, {})", identity.number, identity.from.value, identity.to.value);
}

SegmentWriter::~SegmentWriter() { abandon(); }

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::create(world::Disk& disk, const std::string& dir, const SegmentIdentity& identity) {
  std::unique_ptr<SegmentWriter> writer(new SegmentWriter(disk, dir, identity));
  TRY(writer->begin());
  return writer;
}

Result<void> SegmentWriter::begin() {
  TRY(disk_.make_dirs(segments_folder(dir_)));
  TRY_ASSIGN(used, disk_.exists(path()));
  if (used) return fail(Code::already_exists, fmt::format("{} is there already", path()));
  TRY_ASSIGN(file, disk_.open(path() + ".tmp", world::Open::create));
  file_ = std::move(file);
  TRY(file_->truncate(0));
  buffer_.reserve(piece_bytes + block_bytes);
  buffer_ = encode_segment_header(info_);
  data_end_ = buffer_.size();
  return {};
}

// ---- entries

Result<void> SegmentWriter::add(SegmentEntry entry, Slice batch) {
  CHECK(file_, "segment {} is finished", info_.number);
  while (busy()) TRY(pump());
  entry.length = static_cast<std::uint32_t>(batch.size());
  check_order(entry);
  rows_.add(entry, data_end_);
  count(entry);
  encode_segment_entry(entry, info_.salt, data_end_, buffer_);
  data_end_ += entry.bytes();
  rest_ = std::move(batch);
  return pump();
}

void SegmentWriter::check_order(const SegmentEntry& entry) const {
  CHECK(entry.length >= record::batch_header_bytes && entry.length <= segment_batch_bytes_max, "{} bytes", entry.length);
  CHECK(entry.span > 0 && Offset{0} <= entry.from && entry.from <= entry.base, "stream {}: [{}, {}+{})", entry.stream.value, entry.from.value,
        entry.base.value, entry.span);
  if (info_.entries == 0) return;
  CHECK(info_.last_stream <= entry.stream, "stream {} after {}", entry.stream.value, info_.last_stream.value);
  CHECK(info_.last_stream < entry.stream || last_end_ <= entry.from, "stream {}: {} after {}", entry.stream.value, entry.from.value, last_end_.value);
}

void SegmentWriter::count(const SegmentEntry& entry) {
  if (info_.entries++ == 0) {
    info_.first_stream = entry.stream;
    info_.oldest_ms = info_.newest_ms = entry.max_timestamp;
    info_.newest_append_ms = entry.append_time_ms;
  }
  info_.last_stream = entry.stream;
  info_.oldest_ms = std::min(info_.oldest_ms, entry.max_timestamp);
  info_.newest_ms = std::max(info_.newest_ms, entry.max_timestamp);
  info_.newest_append_ms = std::max(info_.newest_append_ms, entry.append_time_ms);
  last_end_ = entry.end();
}

Result<void> SegmentWriter::pump() {
  auto count = std::min(rest_.size(), piece_bytes - std::min(piece_bytes, buffer_.size()));
  buffer_ += rest_.text().substr(0, count);
  rest_ = rest_.from(count);
  return buffer_.size() >= piece_bytes ? push_out() : Result<void>{};
}

// ---- the file

Result<void> SegmentWriter::push_out() {
  TRY(file_->write_at(written_, as_bytes(buffer_)));
  TRY(file_->sync_data());
  written_ += buffer_.size();
  buffer_.clear();
  return {};
}

Result<void> SegmentWriter::put(std::string_view bytes) {
  buffer_ += bytes;
  return buffer_.size() >= piece_bytes ? push_out() : Result<void>{};
}

Result<void> SegmentWriter::put_index() {
  info_.data_end = data_end_;
  info_.index = {whole_blocks(data_end_), rows_.rows().size()};
  buffer_.append(info_.index.position - data_end_, '\0');
  std::span rest(rows_.rows());
  for (std::uint32_t number = 0; !rest.empty(); ++number) {
    TRY(put(encode_segment_page(rest, number, info_.salt)));
    rest = rest.subspan(std::min<std::size_t>(rest.size(), rows_per_page<SegmentRow>));
  }
  return {};
}

Result<SegmentInfo> SegmentWriter::finish(Jsn purged_to) {
  CHECK(file_ && info_.entries > 0, "segment {} has {} entries", info_.number, info_.entries);
  while (busy()) TRY(pump());
  TRY(put_index());
  info_.purged_to = purged_to;
  info_.file_bytes = info_.index.position + (pages_for<SegmentRow>(info_.index.rows) + 1) * block_bytes;
  TRY(put(encode_segment_footer(info_)));
  TRY(settle());
  file_.reset();
  return info_;
}

Result<void> SegmentWriter::settle() {
  if (!buffer_.empty()) TRY(push_out());
  CHECK(written_ == info_.file_bytes, "{} bytes of {}", written_, info_.file_bytes);
  TRY(disk_.rename(path() + ".tmp", path()));
  auto synced = disk_.sync_dir(segments_folder(dir_));
  if (!synced) (void)disk_.remove(path());  // nobody will be told of it; a start removes what no manifest names
  return synced;
}

void SegmentWriter::abandon() {
  if (!file_) return;
  file_.reset();
  (void)disk_.remove(path() + ".tmp");  // what is left behind by a failure goes at the next start
}

}  // namespace tidemill::log
