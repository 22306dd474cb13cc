// The Kafka Connect schemas of a table's records as JSON text, field for field as Debezium's.
#pragma once

#include <string>

#include "connect/postgres/event_format.h"
#include "connect/postgres/table.h"

namespace tidemill::connect::postgres {

std::string key_schema(const Table& table, const EventFormat& format);
std::string envelope_schema(const Table& table, const EventFormat& format);
std::string unwrapped_schema(const Table& table, const EventFormat& format);

// The topic of a table: <prefix>.<schema>.<table>, what a topic's name may not hold replaced by '_'.
std::string topic_name(std::string_view prefix, std::string_view schema, std::string_view table);

// True for the modes that keep a deleted row and say so in __deleted.
inline bool rewrites(UnwrapDelete mode) { return mode == UnwrapDelete::rewrite || mode == UnwrapDelete::rewrite_with_tombstone; }
// The type that an added field has, or empty when there is no field of that name.
std::string_view added_field_type(std::string_view struct_name, std::string_view field);

}  // namespace tidemill::connect::postgres
