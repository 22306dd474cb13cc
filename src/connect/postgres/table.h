// A table as change events need it: the columns of one version of a relation, and which of them make the key.
// Immutable once made; a change of the table makes a new one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "connect/postgres/column_type.h"
#include "connect/postgres/pgoutput.h"

namespace tidemill::connect::postgres {

struct Column {
  std::string name;
  std::uint32_t oid = 0;  // of its type, as the server names it
  ColumnType type;
  bool optional = true;
};

struct Table {
  std::uint32_t oid = 0;
  std::string schema, name;
  char identity = 'd';           // replica identity, as in RelationMessage
  std::vector<Column> columns;
  std::vector<std::size_t> key;  // indexes into columns, in the order of the primary key; empty without one
  std::string full_name() const { return schema + "." + name; }
};

}  // namespace tidemill::connect::postgres
