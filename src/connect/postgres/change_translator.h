// Turns the messages of the replication stream into records in the sink, and knows at every moment which position they reach.
//
// Owned by the connector's thread. It counts the changes of each transaction as they come, wanted or not, so that (commit LSN, index) means
// the same at every reading; what the position says is in the log already is counted and not written again. One message is never
// divided: whoever commits between two calls of take() commits at a position.
#pragma once

#include <memory>
#include <unordered_map>

#include "connect/postgres/position.h"
#include "connect/postgres/schema_reader.h"
#include "connect/postgres/settings.h"
#include "connect/postgres/snapshot_filter.h"
#include "connect/postgres/table_output.h"

namespace tidemill::connect::postgres {

class ChangeTranslator {
 public:
  ChangeTranslator(const Settings& settings, SchemaReader& schemas, RecordSink& sink, Position start, Warn warn);

  Result<void> take(Message& message, Lsn lsn, std::int64_t now_ms);

  const Position& position() const { return position_; }
  bool in_transaction() const { return in_transaction_; }
  // The server has nothing for us before `lsn`. Only between transactions.
  void advance(Lsn lsn);
  std::uint64_t events() const { return events_; }
  std::int64_t changed_us() const { return origin_.source_us; }  // when the transaction of the last change was committed

 private:
  struct Relation {
    std::unique_ptr<TableOutput> output;  // null: not captured
    std::unique_ptr<KeyOrder> order;
    std::int64_t table_order = 0;         // events of this table in this transaction
    std::uint64_t transaction = 0;        // which one that is
    std::uint64_t warned = 0;             // values without a form, as far as they were reported
  };

  void begin(const BeginMessage& begin);
  void count_change();
  void commit(const CommitMessage& commit);
  Result<void> define(const RelationMessage& relation);
  Result<Relation*> relation_of(std::uint32_t oid);
  Result<void> change(Message& message, Lsn lsn, std::int64_t now_ms);
  Result<void> truncate(const TruncateMessage& truncate, Lsn lsn, std::int64_t now_ms);
  void truncate(Relation& relation);
  void insert(Relation& relation, ChangeMessage& change);
  void update(Relation& relation, ChangeMessage& change);
  void move_row(Relation& relation, ChangeMessage& change, const Row& old_row);
  void remove(Relation& relation, ChangeMessage& change);
  bool passes(const Relation& relation, const Row& row) const;
  // False when the event is not to be written: skipped by configuration, or in the log already.
  bool next_event(Relation& relation, char op);
  void warn_of_values(Relation& relation);

  const Settings& settings_;
  SchemaReader& schemas_;
  RecordSink& sink_;
  Warn warn_;
  Position position_;
  const Position start_;       // what the log had when we began
  bool in_transaction_ = false;
  Lsn commit_;                 // the current transaction
  std::uint32_t xid_ = 0;
  std::uint64_t index_ = 0;    // its changes so far
  bool known_whole_ = false;   // it is in the log to its end
  bool known_ = false;         // the current change is in the log
  std::uint64_t transactions_ = 0;
  std::optional<Lsn> last_commit_;
  std::string transaction_id_;
  std::int64_t total_order_ = 0;
  TransactionBlock block_;
  Origin origin_;
  std::unordered_map<std::uint32_t, Relation> relations_;
  std::unique_ptr<SnapshotFilter> filter_;
  std::uint64_t events_ = 0;
};

}  // namespace tidemill::connect::postgres
