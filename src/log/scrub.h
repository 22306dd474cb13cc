// Scrub: reads everything that a stopped log has on disk, once, and says what is damaged, missing or not its own. Writes nothing.
//
// Checked: every journal file (header, each group, every page of the seal, footer, agreement of the two), every segment (header, each
// entry with its batch, index, footer, agreement with the manifest), both halves of every block of manifest and checkpoint, and
// that the offsets of every stream follow each other without a gap over all of it. What may differ unnoticed, because nobody reads it:
// zeros behind groups, entries and pages; what lies behind the groups of an open or spare file, or in a file that waits to be used again; in the batches of
// segments base offset and leader epoch. A bad last group of the open file cannot be told from a torn tail: it is a note.
//
// Whoever calls holds DIR/lock. Files are read in pieces of a MiB; in memory are what a start needs, and one file's index.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace tidemill::world {
class Disk;
}

namespace tidemill::log {

struct OffsetRange {
  StreamId stream;
  Offset from;
  Offset to;
};

struct Finding {
  enum class Kind { damage, note } kind = Kind::damage;
  std::string file;  // below the data directory
  std::uint64_t position = 0;
  std::uint64_t bytes = 0;  // 0: no one place
  std::string what;
  std::vector<OffsetRange> lost;  // as far as it is known from here
};

struct ScrubReport {
  std::uint64_t journal_files = 0, segments = 0, bytes = 0, groups = 0, batches = 0, streams = 0;
  std::uint64_t damage = 0, notes = 0;
};

struct ScrubWatch {
  std::function<void(const Finding&)> found;
  std::function<void(std::uint64_t bytes_done, std::uint64_t bytes_all)> progress = [](auto, auto) {};
};

// Code::not_found when there is no log in the folder, Code::unsupported when a newer version wrote it; else what kept it from reading.
Result<ScrubReport> scrub(world::Disk& disk, const std::string& dir, ScrubWatch watch);

}  // namespace tidemill::log
