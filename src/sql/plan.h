// What a bound query asks for: typed, checked, without a name left to resolve. The binder makes it, the engine runs it; this room
// executes nothing. Every Expr carries its type, and the binder has inserted each implicit cast, so both sides of an
// operator have the same type (for DECIMAL: the same kind; result precision and scale are in the node's type).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "record/types.h"
#include "sql/source.h"

namespace tidemill::sql {

enum class ExprOp : std::uint8_t {
  column,    // index: which input column
  literal,   // value
  add, subtract, multiply, divide, modulo, negate,
  equal, not_equal, less, less_equal, greater, greater_equal, distinct_from, not_distinct_from,
  and_, or_, not_, is_null, is_not_null,
  concat,       // || and + on strings
  like,         // args: text, pattern[, escape]
  in,           // args: needle, candidates...
  between,      // args: value, low, high
  case_,        // args: when, then, when, then, ..., [else]; searched form (the binder rewrites CASE x WHEN)
  cast,         // to the node's type
  field,        // index: field of the STRUCT argument
  element,      // args: ARRAY or MAP, index or key
  call,         // function: canonical upper-case name, overload chosen by argument types
};

struct Expr {
  ExprOp op = ExprOp::literal;
  record::Type type;
  std::vector<std::shared_ptr<const Expr>> args;
  int index = -1;
  record::Value value;
  std::string function;
  std::string text;  // as SQL would print it, for messages
};
using ExprPtr = std::shared_ptr<const Expr>;

// The input of WHERE, GROUP BY and plain projections: the source's columns in order, then these, always present.
enum class Pseudo : std::uint8_t { rowtime, rowpartition, rowoffset, windowstart, windowend };  // all BIGINT but rowpartition INTEGER
inline constexpr int pseudo_count = 5;

enum class AggregateKind : std::uint8_t { count_star, count, sum, avg, min, max };
struct Aggregate {
  AggregateKind kind = AggregateKind::count_star;
  ExprPtr argument;  // null for COUNT(*)
  record::Type type;
};

struct TumblingWindow {
  std::int64_t size_ms = 0;
  std::int64_t grace_ms = 0;      // default max(24 h - size, 0)
  std::int64_t retention_ms = 0;  // for pull queries; 0: 24 h. Never shorter than size and grace
};

struct Output {
  std::string name;
  record::Type type;
  ColumnRole role = ColumnRole::value;
  ExprPtr expr;
};

enum class QueryForm : std::uint8_t { persistent, push, pull };

struct QueryPlan {
  QueryForm form = QueryForm::persistent;
  Source source;
  SourceKind result = SourceKind::stream;
  ExprPtr where;  // may be null; over the input

  // When `grouped`: rows are grouped by group_by (over the input). `outputs` and `having` then see these columns instead:
  // the group_by values, then the aggregates' results, then WINDOWSTART and WINDOWEND (BIGINT; NULL without a window).
  bool grouped = false;
  std::vector<ExprPtr> group_by;
  std::vector<Aggregate> aggregates;
  std::optional<TumblingWindow> window;
  ExprPtr having;

  // PARTITION BY: the new key, over the input; empty keeps the source's key.
  std::vector<ExprPtr> partition_by;

  std::vector<Output> outputs;  // key columns first for persistent queries; in SELECT order for push and pull
  std::optional<std::int64_t> limit;

  std::optional<Source> sink;  // persistent only: the stream or table written; its topic may have to be made
  std::optional<std::int32_t> sink_partitions;
};

}  // namespace tidemill::sql
