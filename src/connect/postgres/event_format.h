// How a connector's records look: what its configuration says about form, and the numbers that differ from event to event.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connect/postgres/lsn.h"

namespace tidemill::connect::postgres {

// source.version of every event. Tidemill's own: consumers parse the field little, and it says truly who wrote the event.
inline constexpr std::string_view source_version = "tidemill-0.1.0";

// delete.tombstone.handling.mode of ExtractNewRecordState.
enum class UnwrapDelete : std::uint8_t { drop, tombstone, rewrite, rewrite_with_tombstone, delete_to_tombstone };

// A field that ExtractNewRecordState adds to the row: __op, __source_ts_ms.
struct AddedField {
  std::string name;    // in the record
  std::string struct_name;  // "source", "transaction" or empty for the envelope's own
  std::string field;
};

struct Unwrap {
  UnwrapDelete on_delete = UnwrapDelete::tombstone;
  std::vector<AddedField> added;
};

struct EventFormat {
  std::string prefix;    // topic.prefix
  std::string database;
  bool key_schemas = true, value_schemas = true;
  bool tombstones = true;
  bool transaction_metadata = false;
  std::string placeholder = "__debezium_unavailable_value";
  std::optional<Unwrap> unwrap;
};

struct TransactionBlock {
  std::string_view id;
  std::int64_t total_order = 0;
  std::int64_t table_order = 0;
};

// Everything about one event that is not its row.
struct Origin {
  char op = 'r';
  std::string_view snapshot = "false";  // first, first_in_data_collection, true, last_in_data_collection, last, false
  std::int64_t source_us = 0;           // when it happened
  std::int64_t now_ms = 0;              // when we handled it
  Lsn lsn;
  std::optional<Lsn> last_commit;       // of the transaction before
  std::optional<std::uint32_t> xid;
  const TransactionBlock* transaction = nullptr;
};

}  // namespace tidemill::connect::postgres
