// Which changes a resumed snapshot has seen already.
//
// A snapshot that was interrupted consists of runs, each of which saw the database at its own LSN, and streaming begins before all but
// the first. A change of a row must be passed on only if the run that copied the row did not see it: if its transaction committed at or
// after that run's LSN. Rows of tables that no run copied pass always.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "connect/postgres/key_order.h"
#include "connect/postgres/position.h"

namespace tidemill::connect::postgres {

class SnapshotFilter {
 public:
  explicit SnapshotFilter(const Snapshot& snapshot);

  // No transaction at or after this LSN is held back.
  Lsn open_from() const { return open_from_; }

  // True when the row with this key, of a table's current version, was copied without this transaction's changes.
  bool passes(const Table& table, const KeyOrder& order, const Row& row, Lsn commit) const;
  // True when no run that copied rows of this table had seen this transaction: a truncation takes all its rows away.
  bool passes_whole(const Table& table, Lsn commit) const;

 private:
  Lsn run_of(std::size_t table, const KeyOrder& order, const Row& row) const;
  const Snapshot snapshot_;
  std::map<std::uint32_t, std::size_t> tables_;
  Lsn open_from_;
};

}  // namespace tidemill::connect::postgres
