// The manifest: which segments are alive, and up to where the journal is sorted into them.
//
// DIR/segments/manifest is a table file (table_file.h): table 0 a row per segment, in the order of runs; facts 0 generation, 1 first
// JSN that is not sorted yet, 2 the first journal file that must be there, 3 the next segment's number. It is written after the
// segments that it names, and before anything that it no longer names is removed. So a file beside it that it does not name is
// either unfinished or replaced, and goes.
#pragma once

#include <optional>

#include "log/segment.h"
#include "log/table_file.h"

namespace tidemill::log {

std::string manifest_path(const std::string& dir);

struct Manifest {
  std::uint64_t generation = 0;
  Jsn sorted{1};                  // every group before it is in the segments, as far as it is kept
  std::uint64_t first_file = 1;   // journal files before it may be gone
  std::uint64_t next_segment = 1;
  std::vector<SegmentInfo> segments;  // runs from old to new, each by stream
};

// Nothing when there is none yet. Code::corrupt when both halves are damaged, Code::unsupported when a newer version wrote it.
// `repaired`: a block had to be read from the other half, so it should be written again.
Result<std::optional<Manifest>> read_manifest(world::Disk& disk, const std::string& dir, bool& repaired);
// Raises the generation. After an error the old one still is there.
Result<void> write_manifest(world::Disk& disk, const std::string& dir, Manifest& manifest, std::uint64_t salt);

}  // namespace tidemill::log
