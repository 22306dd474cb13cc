// View: what readers see of the log. The log core publishes durable groups into it; any thread reads from it.
//
// Always true: everything in the view is on disk. Readers hold the lock only to copy small descriptors; bytes come from the
// tail cache (as the producer sent them) or from the file, and then their checksum is verified.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <shared_mutex>

#include "log/log.h"
#include "log/recovery.h"
#include "log/sealed_files.h"
#include "log/merge.h"
#include "log/segment_files.h"
#include "log/tiers.h"

namespace tidemill::log {

// One group with everything a reader may ask about it.
struct PublishedGroup {
  GroupRow row;
  Incarnation incarnation;
  std::vector<BatchRow> batches;
  std::vector<GroupEntry> entries;  // the same, with bytes
  std::vector<Mark> marks;
  bool empty() const { return batches.empty() && marks.empty(); }
};

// Everything that was durable at one moment. The files that it names stay as they are while it is held, but for what is appended behind.
struct DurablePoint {
  Jsn jsn;
  TiersRef tiers;
  std::shared_ptr<const world::File> open_file;  // null: there is none yet
  std::uint64_t open_end = block_bytes;          // behind its last group
  Hold held;
};

class View {
 public:
  View(SealedFiles& sealed_files, SegmentFiles& segment_files, std::size_t tail_cache_bytes)
      : sealed_files_(sealed_files), segment_files_(segment_files), cache_bytes_max_(tail_cache_bytes) {}

  // The core's side; one thread.
  void start(Recovered& recovered, Jsn durable);
  void publish(std::vector<PublishedGroup> groups);
  void switch_file(std::optional<Footer> sealed, const OpenFile& next);
  // Reading what only the core itself changes needs no lock.
  const StreamTable& streams() const { return streams_; }
  const OpenRows& rows() const { return rows_; }

  // The background's side: changes what is sealed. `change` gets a copy of the tiers as they are then; short, under the lock.
  void change_tiers(std::move_only_function<void(Tiers&)> change);
  TiersRef tiers() const;
  StreamKeep keep_of(StreamId stream) const;
  std::vector<StreamId> open_streams() const;  // with data in the open file
  // Streams that were trimmed or forgotten since the last call; at first, all that ever were.
  std::vector<StreamId> take_marked();
  // Where a stream's bytes lie, from old to new, roughly; what cannot be read is left out.
  std::vector<SegmentFiles::Piece> sizes(StreamId stream) const;

  // Anybody's side.
  Bounds bounds(StreamId stream) const;
  Jsn durable_jsn() const;
  DurablePoint durable_point() const;
  Result<std::vector<StoredBatch>> read(StreamId stream, Offset from, std::size_t bytes_max) const;
  Result<std::optional<StoredBatch>> find_by_time(StreamId stream, std::int64_t time_ms) const;
  Result<std::vector<Group>> read_groups(Jsn from, std::size_t bytes_max) const;
  std::size_t cached_bytes() const;

 private:
  // Where one batch is.
  struct Piece {
    std::shared_ptr<const world::File> file;
    GroupRow group;
    BatchRow batch;
    Slice cached;
    Hold held;  // the file's bytes do not change meanwhile
    std::uint64_t position() const { return group.position + batch.at; }
  };
  using Pieces = std::vector<Piece>;
  struct Collected {
    Pieces pieces;
    std::size_t bytes = 0;
    Offset next;
    bool add(Piece piece, std::size_t bytes_max);  // false when it is full
  };

  const PublishedGroup* cached(Jsn jsn) const;
  Piece open_piece(std::uint32_t row) const;
  bool collect_open(StreamId stream, std::size_t bytes_max, Collected& into) const;
  Result<void> collect_sealed(const std::vector<SealedFile>& sealed, StreamId stream, std::size_t bytes_max, Collected& into) const;
  Result<std::vector<StoredBatch>> read_runs(const Tiers& tiers, StreamId stream, Offset from, std::size_t bytes_max) const;
  Result<std::optional<StoredBatch>> runs_by_time(const Tiers& tiers, StreamId stream, Offset start, std::int64_t time_ms) const;
  void rebuild_bad_seals(const std::vector<SealedFile>& sealed) const;
  // Reads sealed files; when a seal turns out bad, makes it again from the data and reads once more.
  template <class Read>
  auto with_good_seals(const Tiers& tiers, Read read) const {
    auto result = read();
    if (result || result.error().code != Code::corrupt) return result;
    rebuild_bad_seals(tiers.sealed);
    return read();
  }
  Result<Piece> sealed_piece(const Footer& seal, const BatchRow& row, const Hold& held) const;
  Result<std::vector<StoredBatch>> fetch(const Pieces& pieces) const;
  Result<std::optional<Piece>> sealed_by_time(const std::vector<SealedFile>& sealed, StreamId stream, Offset start, std::int64_t time_ms) const;
  Result<std::pair<std::shared_ptr<const world::File>, GroupRow>> find_group(Jsn jsn, const Tiers& tiers) const;
  Result<Group> load_group(const world::File& file, const GroupRow& row) const;
  void trim_cache();

  SealedFiles& sealed_files_;
  SegmentFiles& segment_files_;
  std::size_t cache_bytes_max_;
  mutable std::mutex rebuild_mutex_;
  mutable std::shared_mutex mutex_;
  StreamTable streams_;
  TiersRef tiers_ = std::make_shared<const Tiers>();
  OpenRows rows_;
  std::shared_ptr<world::File> open_file_;
  Hold open_held_;
  Jsn durable_;
  std::int32_t leader_epoch_ = 0;
  std::deque<PublishedGroup> cache_;  // consecutive JSNs, newest last
  std::size_t cache_bytes_ = 0;
  std::vector<StreamId> marked_;
};

}  // namespace tidemill::log
