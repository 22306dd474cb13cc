#include "log/segment_scan.h"

namespace tidemill::log {

std::size_t read_around_bad_blocks(const world::File& file, std::uint64_t position, std::span<std::byte> out) {
  if (auto got = file.read_at(position, out)) return *got;
  std::size_t done = 0;
  while (done < out.size()) {
    auto piece = out.subspan(done, std::min<std::size_t>(out.size() - done, block_bytes - (position + done) % block_bytes));
    auto got = file.read_at(position + done, piece);
    if (got && *got < piece.size()) return done + *got;
    if (!got) std::fill(piece.begin(), piece.end(), std::byte{0});
    done += piece.size();
  }
  return done;
}

// All of the part asked for, or less at the end of the file. Slices given out before keep the old window.
std::span<const std::byte> SegmentScan::bytes(std::uint64_t position, std::uint64_t count) {
  if (position >= end_) return {};
  count = std::min(count, end_ - position);
  if (position < window_at_ || position + count > window_at_ + window_->size()) {
    auto wanted = std::min(std::max(count, ahead_), end_ - position);
    if (window_.use_count() > 1) window_ = std::make_shared<std::string>();
    window_->resize(wanted);
    window_at_ = position;
    window_->resize(read_around_bad_blocks(*file_, position, std::as_writable_bytes(std::span(*window_))));
  }
  if (position >= window_at_ + window_->size()) return {};
  return as_bytes(*window_).subspan(position - window_at_).first(std::min<std::uint64_t>(count, window_at_ + window_->size() - position));
}

bool SegmentScan::find() {
  for (;;) {
    auto ahead = bytes(position_, segment_entry_bytes);
    if (ahead.size() < segment_entry_bytes) break;
    ahead = bytes(position_, window_at_ + window_->size() - position_);  // no further than what is read
    for (; ahead.size() >= segment_entry_bytes; ahead = ahead.subspan(1), ++position_)
      if (auto found = decode_segment_entry(ahead, salt_, position_)) {
        entry_ = *found;
        return true;
      }
  }
  position_ = end_;
  return false;
}

void SegmentScan::note_gap(std::uint64_t from, bool found) {
  if (from == position_) return;
  EntryDamage damage{segment_name(number_), from, position_ - from, before_stream_, before_end_, StreamId{std::numeric_limits<std::uint64_t>::max()},
                       Offset{std::numeric_limits<std::int64_t>::max()}};
  if (found) {
    damage.last = entry_.stream;
    damage.to = entry_.from;
  }
  damage_.push_back(damage);
}

bool SegmentScan::next() {
  for (;;) {
    if (on_entry_) {
      before_stream_ = entry_.stream;
      before_end_ = entry_.end();
      position_ = std::min(end_, position_ + entry_.bytes());
    }
    auto from = position_;
    on_entry_ = find();
    note_gap(from, on_entry_);
    if (!on_entry_) return false;
    if (entry_.stream > skip_stream_ || (entry_.stream == skip_stream_ && entry_.end() > skip_offset_)) return true;
  }
}

Result<Slice> SegmentScan::batch() {
  auto found = bytes(position_ + segment_entry_bytes, entry_.length);
  if (auto checked = check_segment_batch(entry_, found); !checked) {
    damage_.push_back({segment_name(number_), position_, entry_.bytes(), entry_.stream, entry_.from, entry_.stream, entry_.end()});
    return checked.error();
  }
  return Slice(window_, found);
}

void SegmentScan::skip_to(StreamId stream, Offset offset) {
  skip_stream_ = stream;
  skip_offset_ = offset;
  auto to = locate_ ? locate_(stream, offset) : 0;
  auto behind = on_entry_ ? position_ + entry_.bytes() : position_;
  if (to <= behind || to > end_) return;
  position_ = to;
  on_entry_ = false;
  before_stream_ = stream;
  before_end_ = offset;
}

void SegmentScan::go_back(const Place& place) {
  position_ = place.position;
  before_stream_ = place.stream;
  before_end_ = place.end;
  skip_stream_ = {};
  skip_offset_ = {};
  on_entry_ = false;
}

}  // namespace tidemill::log
