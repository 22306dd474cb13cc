// SegmentScan: goes over the entries of a segment in order, by itself finding the way around what is damaged: behind a bad entry
// header it looks for the next good one, at every byte. For merging, scrubbing, backup, and for making an index again.
//
// Reads a MiB at a time; a larger entry is read whole. What the disk refuses to read counts as zeros. One thread.
#pragma once

#include <functional>
#include <limits>
#include <memory>

#include "bytes/slice.h"
#include "log/segment.h"
#include "world/disk.h"

namespace tidemill::log {

// What is missing lies, in the order of the file's index, between two places: one exact range when first == last.
struct EntryDamage {
  std::string file;
  std::uint64_t position = 0;
  std::uint64_t bytes = 0;
  StreamId first;
  Offset from;
  StreamId last;
  Offset to;
  bool operator==(const EntryDamage&) const = default;
};

// Reads up to out.size() bytes; fewer only at the end of the file. Blocks that cannot be read are zeros.
std::size_t read_around_bad_blocks(const world::File& file, std::uint64_t position, std::span<std::byte> out);

class SegmentScan {
 public:
  static constexpr std::uint64_t ahead_bytes = 1u << 20;
  struct Part {
    std::uint64_t begin = block_bytes;
    std::uint64_t end = 0;
    std::uint64_t ahead = ahead_bytes;
  };
  // Where to begin reading to meet the first entry that is not before (stream, offset).
  using Locate = std::function<std::uint64_t(StreamId, Offset)>;

  SegmentScan(std::shared_ptr<const world::File> file, std::uint64_t number, std::uint64_t salt, Part part, Locate locate = {})
      : file_(std::move(file)), number_(number), salt_(salt), end_(part.end), ahead_(part.ahead), locate_(std::move(locate)), position_(part.begin) {}

  // Moves to the next entry whose header is good; false at the end, and from then on.
  bool next();
  // Valid after next() said true.
  const SegmentEntry& entry() const { return entry_; }
  std::uint64_t position() const { return position_; }
  // The entry's batch, checked; shares the scan's memory. Code::corrupt is a damage too.
  Result<Slice> batch();

  // The next next() gives the first entry with (stream, end) behind (stream, offset). Only forward; does not look at what it skips.
  void skip_to(StreamId stream, Offset offset);

  // A place to come back to: the entry that is current now.
  struct Place {
    std::uint64_t position = 0;
    StreamId stream;
    Offset end;
  };
  Place place() const { return {position_, before_stream_, before_end_}; }
  // The next next() gives that entry again.
  void go_back(const Place& place);

  std::vector<EntryDamage> take_damage() { return std::exchange(damage_, {}); }

 private:
  std::span<const std::byte> bytes(std::uint64_t position, std::uint64_t count);
  bool find();
  void note_gap(std::uint64_t from, bool found);

  std::shared_ptr<const world::File> file_;
  std::uint64_t number_, salt_, end_, ahead_;
  Locate locate_;
  std::uint64_t position_;
  bool on_entry_ = false;
  SegmentEntry entry_;
  StreamId before_stream_;  // behind the entry before this one
  Offset before_end_;
  std::shared_ptr<std::string> window_ = std::make_shared<std::string>();
  std::uint64_t window_at_ = 0;
  std::vector<EntryDamage> damage_;
  StreamId skip_stream_;
  Offset skip_offset_;
};

}  // namespace tidemill::log
