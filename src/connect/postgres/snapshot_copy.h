// Copies the tables as they are at one LSN into the sink: one run of a snapshot (connect/postgres/position.h), from where the
// position says the last one stopped. Locks nothing; every commit says how far it got.
#pragma once

#include <functional>

#include "connect/postgres/key_order.h"
#include "connect/postgres/position.h"
#include "connect/postgres/replication.h"
#include "connect/postgres/schema_reader.h"
#include "connect/postgres/table_output.h"

namespace tidemill::connect::postgres {

struct PublishedTable {
  SnapshotTable table;
  std::string columns;  // that the publication lets through, as an array's text; empty: all
  std::string filter;   // its row filter; empty: none
  bool partitioned = false;
};
// The publication's tables that pass the filters, in the order in which they are copied.
Result<std::vector<PublishedTable>> published_tables(Session& sql, const Settings& settings);

struct SnapshotProgress {
  std::uint64_t rows = 0;
  std::size_t tables_done = 0, tables = 0;
};

class SnapshotCopy {
 public:
  using Report = std::function<void(const SnapshotProgress&)>;
  // `sql` is in a transaction that sees the exported snapshot of the position's last run. `position` is kept up to date.
  SnapshotCopy(Session& sql, const Settings& settings, RecordSink& sink, Interrupt& interrupt, world::Clock& clock, Position& position, Warn warn,
               Report report);
  Result<void> run();

 private:
  Result<void> hold_table(const PublishedTable& published);
  Result<void> copy_table(std::size_t index, const PublishedTable& published);
  Result<void> copy_rows();
  Result<void> row(std::string_view line);
  Result<void> emit_held(std::string_view marker);
  void finish_table(std::size_t index);
  Result<void> commit();
  std::string copy_sql(const PublishedTable& published, const Table& table, const KeyOrder& order, const Key& behind) const;

  Session& sql_;
  const Settings& settings_;
  RecordSink& sink_;
  Interrupt& interrupt_;
  world::Clock& clock_;
  Position& position_;
  Run& current_;
  SchemaReader schemas_;
  Warn warn_;
  Report report_;
  SnapshotProgress progress_;
  Origin origin_;
  std::unique_ptr<TableOutput> output_, held_output_;
  std::unique_ptr<KeyOrder> order_, held_order_;
  std::size_t table_ = 0, held_table_ = 0;
  // The last row read is held until it is known whether another follows: the last one says so.
  bool held_ = false, held_first_ = false, first_of_all_, first_of_table_ = false;
  std::string line_;
  Row fields_;
};

}  // namespace tidemill::connect::postgres
