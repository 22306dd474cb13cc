#include "log/segment_liveness.h"

namespace tidemill::log {
namespace {

constexpr Offset behind_everything{std::numeric_limits<std::int64_t>::max()};

}  // namespace

bool SegmentLiveness::step() {
  if (!std::exchange(begun_, true)) more_ = scan_.next();
  for (std::size_t i = 0; i < streams_per_step && more_; ++i) {
    auto stream = scan_.entry().stream;
    auto begin = scan_.position();
    auto keep = keep_of_(stream);
    auto to = keep.forgotten ? behind_everything : keep.start;
    bool any_dead = keep.forgotten || scan_.entry().end() <= keep.start;
    if (any_dead) {
      scan_.skip_to(stream, to);
      more_ = scan_.next();
      dead_ += (more_ ? scan_.position() : info_.data_end) - begin;
    }
    if (more_ && scan_.entry().stream == stream) {
      scan_.skip_to(stream, behind_everything);
      more_ = scan_.next();
    }
  }
  return more_;
}

}  // namespace tidemill::log
