// Writes one table's records: Debezium's envelope (or the bare row, with `unwrap`), with or without Kafka Connect's JSON schema.
// Owned by the connector's thread, one per version of a table: what is the same in every event is built once, here.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "connect/postgres/event_format.h"
#include "connect/postgres/table.h"

namespace tidemill::connect::postgres {

class EventWriter {
 public:
  EventWriter(std::shared_ptr<const Table> table, std::shared_ptr<const EventFormat> format);

  const Table& table() const { return *table_; }
  bool has_key() const { return !table_->key.empty(); }

  // Appends the record's key.
  void key(std::string& out, const Row& row) const;
  // The key's fields alone, as the __debezium.newkey and oldkey headers carry them.
  void key_payload(std::string& out, const Row& row) const;
  // Appends the envelope. Null pointers are null images.
  void envelope(std::string& out, const Row* before, const Row* after, const Origin& origin) const;
  // Appends the row alone, as ExtractNewRecordState leaves it. `deleted` fills __deleted in the rewrite modes.
  void unwrapped(std::string& out, const Row& row, bool deleted, const Origin& origin) const;

  // A null in this whole row where the table says that there is none.
  bool contradicts(const Row& row) const;

  // How many values had no form in their type and became null; the last of them, for a warning.
  std::uint64_t unrepresentable() const { return unrepresentable_; }
  const std::string& unrepresentable_column() const { return unrepresentable_column_; }

 private:
  struct Prepared {
    std::string name;         // "id":
    std::string if_null;      // null, or what stands for it
    std::string if_unchanged;
  };
  void build_schemas();
  void row(std::string& out, const Row& row) const;
  void field(std::string& out, std::size_t column, const FieldValue& value) const;
  void source(std::string& out, const Origin& origin) const;
  void added_fields(std::string& out, bool deleted, const Origin& origin) const;
  void added_field(std::string& out, const AddedField& added, const Origin& origin) const;

  std::shared_ptr<const Table> table_;
  std::shared_ptr<const EventFormat> format_;
  std::vector<Prepared> prepared_;
  std::vector<std::size_t> required_;  // columns that hold no null
  std::string key_head_, value_head_, tail_key_, tail_value_;  // around the payload
  std::string source_head_, source_db_, source_table_;         // the constant parts of `source`
  mutable std::uint64_t unrepresentable_ = 0;
  mutable std::string unrepresentable_column_;
};

}  // namespace tidemill::connect::postgres
