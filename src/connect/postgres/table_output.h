// One table's way into its topic: turns row changes into records as the configuration wants them (envelope or bare row, tombstones,
// headers) and adds them to the sink. Owned by the connector's thread, one per version of a table.
#pragma once

#include <memory>
#include <string>

#include "connect/postgres/event_schema.h"
#include "connect/postgres/event_writer.h"
#include "connect/record_sink.h"

namespace tidemill::connect::postgres {

class TableOutput {
 public:
  TableOutput(std::shared_ptr<const Table> table, std::shared_ptr<const EventFormat> format, RecordSink& sink, RecordSink::Topic& topic)
      : writer_(std::move(table), format), format_(std::move(format)), sink_(sink), topic_(topic) {}

  const Table& table() const { return writer_.table(); }
  const EventWriter& writer() const { return writer_; }

  // Takes note of a whole row. The catalogue told of the table as it is now: a null where none is allowed any more was allowed then.
  void see(const Row& row) {
    if (writer_.contradicts(row)) [[unlikely]] allow_nulls(row);
  }
  // A row that is there: read, created or updated. `old_key` is set when the row had another key before.
  void put(const Row* before, const Row& after, const Origin& origin, const Row* old_key = nullptr);
  // A row that is gone, and its tombstone. `new_key` is set when it lives on under another key.
  void remove(const Row& before, const Origin& origin, const Row* new_key = nullptr);
  void truncate(const Origin& origin);

 private:
  void allow_nulls(const Row& row);
  std::optional<std::string_view> write_key(const Row& row);
  void add(const Origin& origin, std::optional<std::string_view> key, std::optional<std::string_view> value, const char* header, const Row* header_key);
  void remove_unwrapped(const Row& before, const Origin& origin);

  EventWriter writer_;
  std::shared_ptr<const EventFormat> format_;
  RecordSink& sink_;
  RecordSink::Topic& topic_;
  std::string key_, value_, header_;  // kept for their memory
};

}  // namespace tidemill::connect::postgres
