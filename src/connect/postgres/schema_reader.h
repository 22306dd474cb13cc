// Asks PostgreSQL's catalogue for what the replication stream does not say: primary keys, nullability, what a type is.
//
// The answers are as of now, the stream is of some time ago: between a change of a table and our question, a primary key may have
// changed. Names and types of columns always come from the stream.
#pragma once

#include <functional>
#include <memory>
#include <map>
#include <string>

#include "connect/postgres/session.h"
#include "connect/postgres/table.h"

namespace tidemill::connect::postgres {

using Warn = std::function<void(std::string)>;

class SchemaReader {
 public:
  SchemaReader(Session& sql, TypeModes modes, Warn warn) : sql_(sql), modes_(modes), warn_(std::move(warn)) {}

  Result<std::shared_ptr<const Table>> table_of(const RelationMessage& relation);
  // The same for a table that is there now, with the columns that the publication lets through (all when `columns` is empty).
  Result<std::shared_ptr<const Table>> table_now(std::uint32_t oid, const std::string& columns);

 private:
  struct Attributes {
    std::map<std::string, bool, std::less<>> nullable;  // of columns that are there
    std::vector<std::string> key;  // the primary key; of a table whose replica identity is another index, that index
  };
  Result<Attributes> attributes(std::uint32_t oid, char identity);
  Result<std::map<std::uint32_t, PgType>> types(const std::string& oids);
  Result<std::map<std::uint32_t, PgType>> types_of(const RelationMessage& relation);
  Column column(const RelationColumn& from, const std::map<std::uint32_t, PgType>& types, const std::string& table);

  Session& sql_;
  TypeModes modes_;
  Warn warn_;
};

}  // namespace tidemill::connect::postgres
