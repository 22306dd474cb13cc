// SegmentFiles: reads segments, keeping few files open and few index pages in memory. Thread-safe; infos come from whoever knows
// which segments are alive.
//
// An index page whose checksum fails is never used: the index is made again from the entries and kept in memory, and the file is
// left as it is, because it is evidence. No byte of a batch is handed out unless entry header and batch hold their checksums.
// Errors: Code::corrupt for damage; what the disk says (Code::not_found) when a file is not there.
#pragma once

#include <mutex>
#include <unordered_map>

#include "log/log.h"
#include "log/paged_files.h"
#include "log/segment_scan.h"

namespace tidemill::log {

struct SegmentBatch {
  Offset from;  // where its answer begins; see SegmentEntry
  Offset end;
  std::int64_t max_timestamp = 0;
  StoredBatch batch;
};

struct SegmentRead {
  std::vector<SegmentBatch> batches;  // a chain: each begins where the one before it ends
  bool more = false;                  // the segment may hold more of the stream behind them
};

class SegmentFiles {
 public:
  SegmentFiles(world::Disk& disk, std::string dir);

  // The batches of a stream from the one whose [from, end) holds `from`, until `bytes_max` (at least one, at most about 4 MiB at a
  // time). No batches: nothing here ends above `from`, ask the next tier. Code::corrupt: what holds `from` is damaged or missing.
  Result<SegmentRead> read(const SegmentInfo& info, StreamId stream, Offset from, std::size_t bytes_max);
  // The first batch that ends above `from` and whose max timestamp is >= time_ms. Passes over what is damaged, and over batches that
  // compaction has left without records.
  Result<std::optional<SegmentBatch>> find_by_time(const SegmentInfo& info, StreamId stream, Offset from, std::int64_t time_ms);
  // Where the stream's bytes lie, roughly: a piece per row of the index, by the offset that it begins with.
  struct Piece {
    Offset base;
    std::int64_t bytes = 0;
  };
  Result<std::vector<Piece>> sizes(const SegmentInfo& info, StreamId stream);
  Result<std::optional<SegmentEntry>> first_entry(const SegmentInfo& info, StreamId stream);
  Result<bool> contains(const SegmentInfo& info, StreamId stream);

  // All entries in order; uses the index only to skip. The scan must go before this object.
  Result<SegmentScan> scan(const SegmentInfo& info);

  // By the footer, or made again from what is there when that is damaged (then purged_to is 0). Names of files say who they are.
  Result<SegmentInfo> load_info(std::uint64_t number);
  Result<SegmentInfo> rebuild_info(std::uint64_t number);

  bool is_rebuilt(std::uint64_t number) const;
  // The segment was removed, or is about to be.
  void forget(std::uint64_t number);

  // Row `i` of the index as the file has it; for checks of the file itself.
  Result<SegmentRow> stored_row(const SegmentInfo& info, std::uint64_t i);

 private:
  using Rows = std::shared_ptr<const std::vector<SegmentRow>>;
  // The index of one segment, as one call sees it.
  struct Index {
    SegmentFiles& files;
    const SegmentInfo& info;
    Rows rebuilt;
    bool failed = false;
    std::uint64_t rows() const { return rebuilt ? rebuilt->size() : info.index.rows; }
    Result<SegmentRow> row(std::uint64_t i);
    // The last row that may hold the entry at (stream, offset), or the first row of all.
    Result<std::uint64_t> row_before(StreamId stream, Offset offset);
  };
  struct Stretch {
    SegmentScan::Part part;
    std::uint64_t next = 0;  // first row behind it
  };
  struct Rescued {
    SegmentInfo info;
    Rows rows;
  };

  template <class Read>
  auto with_index(const SegmentInfo& info, Read read);
  Rows rebuilt_rows(std::uint64_t number) const;
  Result<void> rebuild(const SegmentInfo& info);
  Result<Rescued> rescue(std::uint64_t number, const SegmentIdentity& identity, std::uint64_t end);
  Result<SegmentIdentity> identity_of(std::uint64_t number);
  Result<Stretch> stretch(Index& index, std::uint64_t row, StreamId stream, std::size_t bytes_max);
  Result<SegmentScan> scan_part(const SegmentInfo& info, SegmentScan::Part part);
  Result<SegmentRead> read_by(Index& index, StreamId stream, Offset from, std::size_t bytes_max);
  Result<std::optional<SegmentBatch>> find_by(Index& index, StreamId stream, Offset from, std::int64_t time_ms);
  Result<std::optional<SegmentEntry>> first_by(Index& index, StreamId stream);
  std::uint64_t locate(const SegmentInfo& info, StreamId stream, Offset offset);

  PagedFiles files_;
  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, Rows> rebuilt_;
  std::mutex rebuilding_;
};

}  // namespace tidemill::log
