// Where a connector stands in PostgreSQL: the record it appends together with its events, and all it needs to go on exactly there.
// docs/formats/connector-position.md has the document.
//
// A snapshot is a walk through the tables in a fixed order and, within each, through the rows in key order. Each time it is interrupted
// and taken up again it goes on in a new *run*, which sees the database as of its own LSN. `until` says how far a run got; the last
// one is still walking unless the snapshot is complete.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "connect/postgres/lsn.h"

namespace tidemill::connect::postgres {

// All rows of the tables before `table`, and of it those up to and including `key`; none of it without a key.
struct Cut {
  std::size_t table = 0;
  std::vector<std::string> key;
  friend bool operator==(const Cut&, const Cut&) = default;
};
struct Run {
  Lsn lsn;
  Cut until;
  bool torn = false;  // rows of `table`, which has no key to go on from, were emitted behind the cut
  friend bool operator==(const Run&, const Run&) = default;
};
struct SnapshotTable {
  std::string schema, name;
  std::uint32_t oid = 0;
  friend bool operator==(const SnapshotTable&, const SnapshotTable&) = default;
};
struct Snapshot {
  std::vector<SnapshotTable> tables;
  std::vector<Run> runs;
  bool complete = false;
  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

struct Position {
  std::string system;            // the server's system identifier
  Lsn resume;                    // where to ask the server to begin: everything before is in the log
  Lsn commit;                    // the transaction of the last event, by the LSN of its commit
  std::uint64_t index = 0;       // how many of its changes are in the log; counted from 1, filtered ones included
  bool whole = true;             // the transaction is in the log to its end
  std::uint32_t xid = 0;
  std::optional<Snapshot> snapshot;  // until streaming is past every run
  friend bool operator==(const Position&, const Position&) = default;
};

std::string position_text(const Position& position);
Result<Position> parse_position(std::string_view text);

}  // namespace tidemill::connect::postgres
