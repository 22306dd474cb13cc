// SegmentWriter: makes one segment. Owned and called by one thread; it has none of its own.
//
// The bytes go to NAME.tmp and are pushed out every MiB, so that they never pile up in front of the journal's own syncs. finish()
// writes index and footer, syncs, renames and syncs the folder: then the whole segment is on disk, and before that nothing of it
// has a name that anybody believes. No call writes more than about 1 MiB, except finish() of a very large segment (its index is
// 0.25 % of it) and add() behind a batch that is not yet written out (busy()).
// After an error the writer is of no use; abandon() it. So does its end, when it was not finished.
#pragma once

#include <memory>

#include "bytes/slice.h"
#include "log/segment.h"
#include "world/disk.h"

namespace tidemill::log {

class SegmentWriter {
 public:
  // Makes the folder too, where it is missing. Code::already_exists when the number was used before.
  static Result<std::unique_ptr<SegmentWriter>> create(world::Disk& disk, const std::string& dir, const SegmentIdentity& identity);
  ~SegmentWriter();

  // In order of (stream, base), entries of a stream not overlapping: CHECKed, for a segment out of order answers wrongly for ever.
  // Sets entry.length.
  Result<void> add(SegmentEntry entry, Slice batch);
  // A large batch is written piece by piece: pump() until it is not busy, or the next call does all of it.
  bool busy() const { return rest_.size() > 0; }
  Result<void> pump();

  // Marks before `purged_to` were applied to everything in here. Wants at least one entry.
  Result<SegmentInfo> finish(Jsn purged_to);
  void abandon();

  std::uint64_t bytes() const { return data_end_; }
  std::uint64_t entries() const { return info_.entries; }
  const SegmentIdentity& identity() const { return info_; }

 private:
  SegmentWriter(world::Disk& disk, std::string dir, const SegmentIdentity& identity);
  Result<void> begin();
  Result<void> put(std::string_view bytes);
  Result<void> push_out();
  Result<void> settle();
  Result<void> put_index();
  void check_order(const SegmentEntry& entry) const;
  void count(const SegmentEntry& entry);
  std::string path() const { return segment_path(dir_, info_.number); }

  world::Disk& disk_;
  std::string dir_;
  std::unique_ptr<world::File> file_;
  std::string buffer_;
  std::uint64_t written_ = 0;   // of the file
  std::uint64_t data_end_ = 0;  // where the next entry goes
  Slice rest_;                  // of the last batch, not yet in the buffer
  SegmentInfo info_;
  SegmentRows rows_;
  Offset last_end_;
};

}  // namespace tidemill::log
