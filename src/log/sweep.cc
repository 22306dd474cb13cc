#include "log/sweep.h"

#include <algorithm>

namespace tidemill::log {

Sweep::Sweep(View& view, SealedFiles& sealed_files, SegmentFiles& segment_files, Policies policies, std::int64_t now_ms,
             std::vector<LiveSegment> segments)
    : view_(view), sealed_files_(sealed_files), segment_files_(segment_files), policies_(std::move(policies)), now_ms_(now_ms), tiers_(view.tiers()),
      open_(view.open_streams()), segments_(std::move(segments)) {}

Result<bool> Sweep::step() {
  if (!open_.empty()) {
    for (std::size_t i = 0; i < streams_per_step && !open_.empty(); ++i) {
      check(open_.back());
      open_.pop_back();
    }
    return true;
  }
  if (sealed_at_ < tiers_->sealed.size()) {
    sweep_sealed();
    return true;
  }
  if (segments_.empty()) return false;
  return sweep_segment();
}

// A seal that cannot be read is passed over: its streams are met again when the file is sorted.
void Sweep::sweep_sealed() {
  auto seal = sealed_files_.current(tiers_->sealed[sealed_at_++]);
  auto rows = sealed_files_.all_rows<StreamRow>(seal);
  if (!rows) return;
  for (auto& row : *rows) check(row.stream);
}

Result<bool> Sweep::sweep_segment() {
  if (!scan_) {
    TRY_ASSIGN(scan, segment_files_.scan(segments_.back()));
    scan_.emplace(std::move(scan));
    last_.reset();
  }
  for (std::size_t i = 0; i < streams_per_step; ++i) {
    if (last_) scan_->skip_to(*last_, Offset{std::numeric_limits<std::int64_t>::max()});
    if (!scan_->next()) {
      scan_.reset();
      segments_.pop_back();
      return true;
    }
    last_ = scan_->entry().stream;
    check(*last_);
  }
  return true;
}

void Sweep::check(StreamId stream) {
  ++checked_;
  auto policy = policies_(stream);
  if (policy.retention_ms < 0 && policy.retention_bytes < 0) return;
  auto bounds = view_.bounds(stream);
  if (bounds.start == bounds.end) return;
  auto start = bounds.start;
  if (policy.retention_ms >= 0) {
    auto young = view_.find_by_time(stream, now_ms_ - policy.retention_ms);
    if (young) start = std::max(start, *young ? (*young)->base : bounds.end);  // nothing is trimmed by what cannot be read
  }
  if (policy.retention_bytes >= 0) start = std::max(start, start_by_size(stream, policy.retention_bytes));
  if (start > bounds.start) marks_.push_back({Mark::Kind::trim, stream, start});
}

// From the newest batches backwards, until there are enough.
Offset Sweep::start_by_size(StreamId stream, std::int64_t bytes) const {
  auto sizes = view_.sizes(stream);
  std::int64_t sum = 0;
  for (auto at = sizes.rbegin(); at != sizes.rend(); ++at) {
    sum += at->bytes;
    if (sum >= bytes) return at->base;
  }
  return Offset{0};
}

}  // namespace tidemill::log
