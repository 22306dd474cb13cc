// The order in which a snapshot walks through a table: by primary key, in an order that PostgreSQL and we compute alike. Integers count
// as numbers; everything else as its text, byte by byte in UTF-8.
#pragma once

#include <string>
#include <vector>

#include "connect/postgres/session.h"
#include "connect/postgres/table.h"

namespace tidemill::connect::postgres {

using Key = std::vector<std::string>;

class KeyOrder {
 public:
  explicit KeyOrder(const Table& table);

  // False without a primary key, or when changes do not carry it: then the table can only be walked as a whole.
  bool usable() const { return !parts_.empty(); }
  Key key_of(const Row& row) const;
  bool less(const Key& a, const Key& b) const;

  // ORDER BY, and the WHERE that continues behind `key`.
  std::string order_by(const Session& sql) const;
  std::string behind(const Session& sql, const Key& key) const;

 private:
  enum class By : std::uint8_t { number, text, padded_text, uuid };
  struct Part {
    std::size_t column;
    std::string name;
    By by;
  };
  std::string expression(const Session& sql, const Part& part) const;
  std::vector<Part> parts_;
};

}  // namespace tidemill::connect::postgres
