// What a scrub does to one file of each kind. Findings go to the notes that all share; only scrub.cc knows the whole.
#pragma once

#include <algorithm>
#include <memory>
#include <set>

#include "log/journal_files.h"
#include "log/manifest.h"
#include "log/offset_chains.h"
#include "log/scrub.h"
#include "log/sealed_files.h"

namespace tidemill::log {

class ScrubNotes {
 public:
  ScrubNotes(ScrubWatch watch) : watch_(std::move(watch)) {}
  // Of several at one place the first is told.
  void add(Finding finding);
  void damage(std::string file, std::uint64_t position, std::uint64_t bytes, std::string what) {
    add({Finding::Kind::damage, std::move(file), position, bytes, std::move(what), {}});
  }
  void note(std::string file, std::string what) { add({Finding::Kind::note, std::move(file), 0, 0, std::move(what), {}}); }
  void expect_bytes(std::uint64_t bytes) { all_ += bytes; }
  void read(std::uint64_t bytes) {
    report.bytes += bytes;
    watch_.progress(report.bytes, std::max(report.bytes, all_));
  }

  ScrubReport report;
  OffsetChains chains;

 private:
  ScrubWatch watch_;
  std::set<std::pair<std::string, std::uint64_t>> told_;
  std::uint64_t all_ = 0;
};

std::string journal_file_below(std::uint64_t number);
std::string segment_file_below(std::uint64_t number);
// One block, or what can be read of it.
std::string scrubbed_block(const world::File& file, std::uint64_t position);

// Whether the seal that the file itself has is whole: its footer and every page. Of `header` number, salt and bytes are wanted.
bool check_own_seal(const world::File& file, const FileHeader& header, ScrubNotes& notes);
// Every group of a sealed file against `seal`, which is the file's own or was made again. Groups before `from` are in segments, and not
// counted twice.
Result<void> check_groups(SealedFiles& files, const Footer& seal, Jsn from, ScrubNotes& notes);

Result<void> check_segment(world::Disk& disk, const std::string& dir, const SegmentInfo& info, ScrubNotes& notes);

// Both halves of every block. `kinds`: of the pages of each table, and how many rows one holds.
struct TableShape {
  PageKind kind;
  std::uint64_t rows_per_page;
};
Result<void> check_table_file(world::Disk& disk, const std::string& path, const std::string& name, std::vector<TableShape> shapes, ScrubNotes& notes);

}  // namespace tidemill::log
