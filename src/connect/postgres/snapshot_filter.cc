#include "connect/postgres/snapshot_filter.h"

#include <algorithm>

namespace tidemill::connect::postgres {

SnapshotFilter::SnapshotFilter(const Snapshot& snapshot) : snapshot_(snapshot) {
  for (std::size_t i = 0; i < snapshot.tables.size(); ++i) tables_.emplace(snapshot.tables[i].oid, i);
  for (auto& run : snapshot.runs) open_from_ = std::max(open_from_, run.lsn);
}

bool SnapshotFilter::passes(const Table& table, const KeyOrder& order, const Row& row, Lsn commit) const {
  if (commit >= open_from_) return true;
  auto found = tables_.find(table.oid);
  return found == tables_.end() || commit >= run_of(found->second, order, row);
}

// Runs come in the order of their LSNs: the one that finished the table is the last that copied rows of it.
bool SnapshotFilter::passes_whole(const Table& table, Lsn commit) const {
  auto found = tables_.find(table.oid);
  if (found == tables_.end()) return true;
  for (auto& run : snapshot_.runs)
    if (found->second < run.until.table) return commit >= run.lsn;
  return true;
}

Lsn SnapshotFilter::run_of(std::size_t table, const KeyOrder& order, const Row& row) const {
  std::optional<Key> key;
  for (auto& run : snapshot_.runs) {
    if (table < run.until.table) return run.lsn;
    if (table > run.until.table || run.until.key.empty() || !order.usable()) continue;
    if (!key) key = order.key_of(row);
    if (key->size() == run.until.key.size() && !order.less(run.until.key, *key)) return run.lsn;
  }
  return Lsn();
}

}  // namespace tidemill::connect::postgres
