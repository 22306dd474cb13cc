// Sweep: finds the streams that hold more than their policy keeps, and says where they begin now, as trim marks for the journal. The bytes
// are not its business.
//
// One sweep looks at every stream with data in the open file, in sealed files, and in the segments it was given (those that hold
// anything old enough); in steps. A stream is trimmed before the first batch that is young enough, as Apache Kafka does: an older one
// behind it stays. With retention.bytes at least so many bytes stay.
#pragma once

#include "log/policy.h"
#include "log/view.h"

namespace tidemill::log {

class Sweep {
 public:
  Sweep(View& view, SealedFiles& sealed_files, SegmentFiles& segment_files, Policies policies, std::int64_t now_ms, std::vector<LiveSegment> segments);
  // About a MiB of reading, or a thousand streams; false at the end.
  Result<bool> step();
  std::vector<Mark> take_marks() { return std::exchange(marks_, {}); }
  std::uint64_t streams_checked() const { return checked_; }

 private:
  static constexpr std::size_t streams_per_step = 1000;
  Result<bool> sweep_segment();
  void sweep_sealed();
  void check(StreamId stream);
  Offset start_by_size(StreamId stream, std::int64_t bytes) const;

  View& view_;
  SealedFiles& sealed_files_;
  SegmentFiles& segment_files_;
  Policies policies_;
  std::int64_t now_ms_;
  TiersRef tiers_;
  std::vector<StreamId> open_;
  std::size_t sealed_at_ = 0;
  std::vector<LiveSegment> segments_;
  std::optional<SegmentScan> scan_;
  std::optional<StreamId> last_;
  std::vector<Mark> marks_;
  std::uint64_t checked_ = 0;
};

}  // namespace tidemill::log
