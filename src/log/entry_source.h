// EntrySource: entries sorted by (stream, base offset), one after the other, to be merged. One thread.
//
// What is damaged is passed over and kept for take_damage(). An error of peek() is one of the way there (a file that cannot be
// opened, an index page that must be made again first): the merge is given up and begun anew.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "log/sealed_files.h"
#include "log/segment_files.h"

namespace tidemill::log {

class EntrySource {
 public:
  virtual ~EntrySource() = default;
  // The current entry; null at the end. Valid until the source is moved.
  virtual Result<const SegmentEntry*> peek() = 0;
  // Its batch, checked. Code::corrupt: damaged, and noted.
  virtual Result<Slice> batch() = 0;
  virtual void advance() = 0;
  // To the first entry that ends behind (stream, offset); only forward.
  virtual Result<void> skip_to(StreamId stream, Offset offset) = 0;
  // go_back() makes the entry current again that was when mark() was called last.
  virtual void mark() = 0;
  virtual void go_back() = 0;
  // Since the last call. After going back, damage is met, and told, again.
  virtual std::vector<EntryDamage> take_damage() = 0;
};

// The segments of one run and one class, in order of their streams.
std::unique_ptr<EntrySource> segment_source(SegmentFiles& files, std::vector<SegmentInfo> segments);
// A sealed journal file, by its tables of batches and groups. Marks (rows without a batch) are not entries.
std::unique_ptr<EntrySource> journal_source(SealedFiles& files, const Footer& seal);

}  // namespace tidemill::log
