// The checkpoint: every stream and every producer as of the end of one journal file, so that the files before it can go.
//
// DIR/segments/checkpoint is a table file (table_file.h): table 0 StreamRow, table 1 ProducerRow, both sorted; facts 0 the journal
// file's number, 1 the first JSN behind it, 2 incarnation, 3 leader epoch. CheckpointMaker merges the last one with the deltas of the
// sealed files behind it, in steps: sorted inputs, one pass, no more than a page of each in memory (but all producers).
#pragma once

#include <optional>

#include "log/manifest.h"
#include "log/sealed_files.h"
#include "log/table_file.h"

namespace tidemill::log {

std::string checkpoint_path(const std::string& dir);

struct CheckpointFacts {
  std::uint64_t journal_file = 0;  // it and all before it are covered; 0: there is no checkpoint
  Jsn next{1};
  Incarnation incarnation;
  std::int32_t leader_epoch = 0;
  std::uint64_t streams = 0;
};
CheckpointFacts facts_of(const TableReader& reader);

struct ProducerLimits {
  std::int64_t forget_ms = 24 * 3600 * 1000;  // silent for longer than this before the newest one
  std::size_t min = 10'000;                   // but so many are kept
  std::size_t max = 250'000;
};

class CheckpointMaker {
 public:
  // `sealed`: consecutive files, the first one behind the last checkpoint.
  CheckpointMaker(world::Disk& disk, std::string dir, SealedFiles& files, std::vector<Footer> sealed, std::uint64_t salt, ProducerLimits limits);
  ~CheckpointMaker();
  // About 1 MiB of work; true when the new checkpoint is in place. After an error the old one still is.
  Result<bool> step();
  const CheckpointFacts& facts() const { return facts_; }

 private:
  // A sorted table of one seal, a page at a time.
  struct DeltaCursor {
    Footer seal;
    std::uint64_t at = 0;
    std::optional<StreamRow> row;
  };
  Result<void> begin();
  Result<void> load(DeltaCursor& cursor);
  Result<bool> merge_streams();
  Result<void> merge_producers();
  Result<void> put_producers(std::vector<ProducerRow> rows);

  world::Disk& disk_;
  std::string dir_;
  SealedFiles& files_;
  std::vector<Footer> sealed_;
  std::uint64_t salt_;
  ProducerLimits limits_;
  CheckpointFacts facts_;
  std::optional<TableReader> old_;
  std::optional<TableCursor<StreamRow>> old_streams_;
  std::vector<DeltaCursor> deltas_;
  std::optional<TableWriter> writer_;
  bool done_ = false;
  enum class Stage { begin, streams, producers, finish } stage_ = Stage::begin;
};

}  // namespace tidemill::log
