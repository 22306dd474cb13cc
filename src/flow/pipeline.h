// A plan made to run: decoded rows in, result rows out, state in between. It knows nothing of the log. One task owns it.
//
//   decoder.decode(record, origin, pipeline.input());  ...  TRY(pipeline.run(errors));  for (auto& row : pipeline.results()) ...
//
// Rows behave as if they came singly: how many are run at once changes nothing in what comes out.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "flow/decode.h"
#include "flow/grouping.h"
#include "flow/processing_log.h"
#include "flow/table_rows.h"

namespace tidemill::flow {

struct ResultOut {
  std::uint32_t row;   // of the cells
  bool tombstone;      // a null value: the key's row is gone (or a stream's record had no value)
  std::int64_t window_start_ms;
  bool passed_on = false;  // a stream's record without a value, written as it is, even without a key
};

struct BadRow {
  record::RowOrigin origin;
  std::string message;
  ProcessingError::What what = ProcessingError::What::processing;
  bool in_key = false;
};

class Pipeline {
 public:
  // Code::unsupported for aggregates that cannot be undone over a source whose rows can be.
  static Result<std::unique_ptr<Pipeline>> make(std::shared_ptr<const sql::QueryPlan> plan, bool keep_table_rows);

  const sql::QueryPlan& plan() const { return *plan_; }
  RowDecoder& decoder() { return *decoder_; }
  record::Chunk& input() { return input_; }

  // Runs what is in input(). Results, their cells and origins are valid until clear(). An error is the query's end.
  Result<void> run(std::vector<BadRow>& bad);
  void clear();
  const std::vector<ResultOut>& results() const { return results_; }
  std::span<const Operand> cells() const { return cells_; }  // per output of the plan
  const record::RowOrigin& origin(const ResultOut& out) const { return working_->origins[out.row]; }

  // The query's table as its state has it: calls `visit` with cells() for rows of the state, some thousand at a time. With `key`, the
  // encoded state key, only that row; until `visit` answers false. Only between steps.
  struct StateRows {
    std::span<const Operand> cells;
    const record::Chunk& chunk;  // origins hold the rows' times
    Rows rows;
    int window_start_column;     // of chunk; -1 without windows
  };
  Result<void> scan(const std::optional<std::string>& key, const std::function<bool(const StateRows&)>& visit);
  // Whether the state's key is made of these output columns, in what order; empty when a lookup is not possible.
  const std::vector<int>& lookup_outputs() const { return lookup_outputs_; }
  bool windowed_state() const { return plan_->window.has_value() || (!grouping_ && plan_->source.window.has_value()); }

  // How many rows a step may take: `wanted`, or fewer when expressions can make much more of a row than it holds.
  std::size_t rows_at_once(std::size_t wanted) const;
  std::size_t state_bytes() const;
  std::uint64_t late_rows() const { return grouping_ ? grouping_->late_rows() : 0; }
  void write_state(ByteWriter& out) const;
  bool read_state(ByteReader& in);

 private:
  explicit Pipeline(std::shared_ptr<const sql::QueryPlan> plan);
  void mark_used();
  void find_lookup();
  void choose_stateless(const std::vector<std::uint32_t>& passed);
  void choose_groups(ErrorLog& errors);
  void project(ErrorLog& errors);
  void report(const ErrorLog& errors, const record::Chunk& chunk, std::vector<BadRow>& bad);
  bool changes() const;

  std::shared_ptr<const sql::QueryPlan> plan_;
  std::vector<bool> used_;
  std::unique_ptr<RowDecoder> decoder_;
  std::optional<Expression> where_, having_;
  std::vector<Expression> outputs_;
  std::unique_ptr<Grouping> grouping_;
  std::unique_ptr<TableRows> table_;
  std::vector<int> lookup_outputs_;
  bool need_before_ = false;

  record::Chunk input_, changes_;
  record::Chunk* working_ = &input_;  // what the cells' rows are numbered by
  std::vector<std::uint32_t> selected_, key_rows_, value_rows_;
  std::vector<ResultOut> results_;
  std::vector<Operand> cells_;
};

}  // namespace tidemill::flow
