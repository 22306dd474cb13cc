// Tiers: where the log's sealed data are, from old to new: runs of segments, then journal files that are not sorted yet.
//
// Immutable; a reader holds one while it reads. A file that was taken out must not change, and a segment must not go, while a
// reader may still come to it: each has a Hold, which expires when the last Tiers or reader that knows the file is gone.
#pragma once

#include <memory>
#include <vector>

#include "log/seal.h"
#include "log/segment.h"

namespace tidemill::log {

using Hold = std::shared_ptr<const char>;
inline Hold new_hold() { return std::make_shared<const char>(); }

struct SealedFile : Footer {
  SealedFile(const Footer& footer, Hold hold = new_hold()) : Footer(footer), held(std::move(hold)) {}
  Hold held;
};
struct LiveSegment : SegmentInfo {
  LiveSegment(const SegmentInfo& info) : SegmentInfo(info), held(new_hold()) {}
  Hold held;
};

// Segments written by one job: one retention class, groups [from, to), cut by stream; a large stream may go on in the next segment.
struct Run {
  Jsn from;
  Jsn to;
  std::uint32_t retention_class = 0;
  std::uint32_t level = 0;
  std::vector<LiveSegment> segments;  // by stream
};

struct Tiers {
  std::vector<Run> runs;       // by `from`
  std::vector<SealedFile> sealed;  // by number
  Jsn first_group{1};          // of the sealed files; groups before it are in segments only
};
using TiersRef = std::shared_ptr<const Tiers>;

void sort_runs(std::vector<Run>& runs);
// The runs that a manifest's segments make up. Of segments that begin with the same stream the manifest's order says which comes first.
std::vector<Run> runs_of(const std::vector<SegmentInfo>& segments);

}  // namespace tidemill::log
