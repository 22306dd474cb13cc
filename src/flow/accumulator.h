// One aggregate of one group: COUNT, SUM, AVG, MIN or MAX, and how a row is added to it or taken back.
#pragma once

#include <string>

#include "base/result.h"
#include "bytes/cursor.h"
#include "flow/expression.h"
#include "sql/plan.h"

namespace tidemill::flow {

struct Accumulator {
  std::int64_t count = 0;  // rows with a value
  __int128 number = 0;     // sum or extreme of whole numbers and decimals
  double real = 0;
  std::string text;        // extreme of STRING and BYTES
};

class AggregateRule {
 public:
  explicit AggregateRule(const sql::Aggregate& aggregate);
  bool can_undo() const { return kind_ != sql::AggregateKind::min && kind_ != sql::AggregateKind::max; }

  // `argument` has no column for COUNT(*). An overflow of a DECIMAL sum is the query's end.
  Result<void> apply(Accumulator& to, const Operand& argument, std::uint32_t row, bool undo) const;
  void append_result(const Accumulator& from, record::Column& out, record::Arena& arena) const;

  void write(const Accumulator& a, ByteWriter& out) const;
  void read(Accumulator& a, ByteReader& in) const;

 private:
  Result<void> add(Accumulator& to, const record::Column& column, std::uint32_t at, bool undo) const;
  void take_extreme(Accumulator& to, const record::Column& column, std::uint32_t at) const;

  sql::AggregateKind kind_;
  record::Type type_, input_;
};

}  // namespace tidemill::flow
