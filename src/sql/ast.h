// What the parser makes of a text: statements and expressions with their positions, names folded but nothing resolved. The binder
// turns them into plans. Trees are immutable and shared; their height is limited (sql.h), so walking them cannot overflow a stack.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "record/types.h"
#include "sql/plan.h"
#include "sql/source.h"

namespace tidemill::sql {

struct Position {  // both from 1
  int line = 1;
  int column = 1;
};

// An expression. `op` says which of the other members mean something; see ExprOp. NOT IN, NOT LIKE and the like are a not_ around it.
struct Ast {
  ExprOp op = ExprOp::literal;
  Position at;
  std::string name;       // column, field or function (as folded); ARRAY, MAP and STRUCT are the constructors
  std::string qualifier;  // column: the source before the dot, or empty
  record::Value value;    // literal
  record::Type type;      // literal (not of NULL), cast
  std::vector<std::shared_ptr<const Ast>> args;
  std::vector<std::string> names;  // STRUCT(...): the fields' names
  bool star = false;               // call: f(*)
  bool constructor = false;        // call: ARRAY[...], MAP(...), STRUCT(...)
  int height = 1;
};
using AstPtr = std::shared_ptr<const Ast>;

struct SelectItem {
  AstPtr expr;             // null for * and source.*; the STRUCT for struct->*
  std::string alias;       // may be empty
  bool star = false;
  std::string qualifier;   // of source.*
  Position at;
};

struct WindowClause {
  std::int64_t size_ms = 0;
  std::optional<std::int64_t> retention_ms, grace_ms;
  Position at;
};

struct Select {
  std::vector<SelectItem> items;
  std::string from, alias;  // alias is the source's name when none is given
  Position from_at;
  std::optional<WindowClause> window;
  AstPtr where, having;
  std::vector<AstPtr> group_by, partition_by;
  Position having_at;
  bool emit_changes = false;
  std::optional<std::int64_t> limit;
};

struct Property {
  std::string name;     // upper case
  record::Value value;  // string, int64 or bool
  Position at;
};

struct ColumnDefinition {
  std::string name;
  record::Type type;
  bool key = false, primary = false;
  Position at;
};

struct CreateSource {
  SourceKind kind = SourceKind::stream;
  bool or_replace = false, if_not_exists = false;
  std::string name;
  std::vector<ColumnDefinition> columns;
  std::vector<Property> properties;
};

struct CreateAs {
  SourceKind kind = SourceKind::stream;
  bool or_replace = false, if_not_exists = false;
  std::string name;
  std::vector<Property> properties;
  Select select;
};

struct InsertValues {
  std::string target;
  std::vector<std::string> columns;  // empty: all, in order
  std::vector<AstPtr> values;
};

enum class ShowWhat : std::uint8_t { streams, tables, topics, queries, functions, properties, types, variables };
struct Show {
  ShowWhat what = ShowWhat::streams;
  bool extended = false, all = false;
};

struct Describe {
  std::string name;
  bool extended = false;
};
struct DescribeFunction { std::string name; };

struct Drop {
  SourceKind kind = SourceKind::stream;
  std::string name;
  bool if_exists = false, delete_topic = false;
};

struct Terminate {
  std::string id;  // upper case; empty means ALL
};

struct SetProperty { std::string name, value; };
struct UnsetProperty { std::string name; };

struct ParsedStatement;
struct Explain {
  std::string id;                               // a query's, or empty
  std::shared_ptr<const ParsedStatement> statement;
};

using StatementBody = std::variant<CreateSource, CreateAs, Select, InsertValues, Show, Describe, DescribeFunction, Drop, Terminate,
                                   SetProperty, UnsetProperty, Explain>;

struct ParsedStatement {
  std::string text;  // as written, with its semicolon, without what surrounds it
  Position at;
  StatementBody body;
};

}  // namespace tidemill::sql
