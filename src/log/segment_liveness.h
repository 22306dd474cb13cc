// How much of a segment is still wanted: scanned stream by stream, by positions and not by bytes, in steps.
#pragma once

#include "log/merge.h"
#include "log/segment_files.h"

namespace tidemill::log {

class SegmentLiveness {
 public:
  SegmentLiveness(SegmentInfo info, SegmentScan scan, std::function<StreamKeep(StreamId)> keep_of)
      : info_(info), scan_(std::move(scan)), keep_of_(std::move(keep_of)) {}
  // A thousand streams; false at the end.
  bool step();
  const SegmentInfo& info() const { return info_; }
  std::uint64_t total() const { return info_.data_end - block_bytes; }
  // Of entries of forgotten streams, or that end at or below their stream's start. Damaged bytes count as wanted.
  std::uint64_t dead() const { return dead_; }

 private:
  static constexpr std::size_t streams_per_step = 1000;
  SegmentInfo info_;
  SegmentScan scan_;
  std::function<StreamKeep(StreamId)> keep_of_;
  bool begun_ = false;
  bool more_ = true;
  std::uint64_t dead_ = 0;
};

}  // namespace tidemill::log
