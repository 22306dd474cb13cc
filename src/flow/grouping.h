// GROUP BY: rows go to groups, each group has its aggregates, and every row that changes a group gives one row of its new state. Rows
// that undo (update-before, remove) are taken back before the row after them is applied. Windows are part of the group.
//
// Output columns: the group's values, the aggregates, WINDOWSTART, WINDOWEND. Groups stay when they fall to no rows; those of a window go
// when it has been closed for its retention, between runs, which no output depends on: a row for it would be late.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flow/accumulator.h"
#include "flow/key_table.h"

namespace tidemill::flow {

class Grouping {
 public:
  explicit Grouping(const sql::QueryPlan& plan);

  // Runs the selected rows of `in`; out() then has a row per change, group_of(row) its group.
  Result<void> run(const record::Chunk& in, record::Arena& arena, Rows selected, ErrorLog& errors);
  record::Chunk& out() { return out_; }
  std::uint32_t group_of(std::uint32_t out_row) const { return groups_of_rows_[out_row]; }

  // Whether HAVING let the group's last row through; a tombstone is due when it then does not.
  bool& passed(std::uint32_t group) { return state_[group].passed; }
  std::int64_t timestamp_ms(std::uint32_t group) const { return state_[group].timestamp_ms; }
  std::int64_t window_start_ms(std::uint32_t group) const { return state_[group].window_start_ms; }

  // The state as rows: fills `out` (made by make_columns) with groups [from, from + count) or one by key.
  void make_columns(record::Chunk& out) const;
  std::uint32_t end() const { return keys_.end(); }
  bool live(std::uint32_t group) const { return keys_.live(group); }
  std::uint32_t find(std::string_view key) const { return keys_.find(key); }
  void append_state(std::uint32_t group, record::Chunk& out) const;

  std::uint64_t late_rows() const { return late_rows_; }
  std::size_t bytes() const;
  bool undoable() const;
  void write(ByteWriter& out) const;
  bool read(ByteReader& in);

 private:
  struct State {
    std::int64_t timestamp_ms = -1;
    std::int64_t window_start_ms = 0;
    bool passed = false;
  };
  static constexpr std::uint32_t no_group = ~0u;
  void evaluate(const record::Chunk& in, record::Arena& arena, Rows selected, ErrorLog& errors);
  void encode_keys(const record::Chunk& in, Rows selected);
  void expect(std::size_t i) const;
  std::int64_t window_start(std::int64_t time_ms) const;
  std::uint32_t place(const record::Chunk& in, Rows selected, std::size_t i);
  Result<void> apply(const record::Chunk& in, std::uint32_t row, std::uint32_t group);
  void emit(const record::Chunk& in, std::uint32_t row, std::uint32_t group);
  std::uint32_t add_group(bool fresh, std::uint32_t number, std::int64_t window_start);
  void append_aggregates(std::uint32_t group, record::Chunk& out) const;
  void expire();

  std::vector<record::Type> key_types_, result_types_;
  std::vector<Expression> key_exprs_;
  std::vector<std::optional<Expression>> arguments_;
  std::vector<AggregateRule> rules_;
  std::optional<sql::TumblingWindow> window_;

  KeyTable keys_;
  std::vector<State> state_;
  std::vector<Accumulator> accumulators_;  // rules_.size() for each group
  std::int64_t stream_time_ms_ = -1;
  std::uint64_t late_rows_ = 0;
  std::map<std::int64_t, std::vector<std::uint32_t>> windows_;  // by start: their groups
  std::size_t text_bytes_ = 0;                                  // extremes of STRING and BYTES

  std::vector<Operand> key_cells_, argument_cells_;
  record::Chunk out_;
  std::vector<std::uint32_t> groups_of_rows_;
  std::string key_;
  struct Key {  // of a selected row, in key_bytes_
    std::uint32_t begin = 0, size = 0, hash = 0;
    bool null = false;
  };
  std::vector<Key> row_keys_;
  std::string key_bytes_;
};

}  // namespace tidemill::flow
