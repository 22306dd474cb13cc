// A stream or table that SQL can read: columns over a topic, as CREATE STREAM and CREATE TABLE define it. Shared between the binder,
// the catalogue (which keeps it) and the engine (which decodes rows by it).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "record/types.h"

namespace tidemill::sql {

enum class SourceKind : std::uint8_t { stream, table };
enum class ColumnRole : std::uint8_t { key, value };

struct Column {
  std::string name;  // as SQL folded it: upper case unless quoted
  record::Type type;
  ColumnRole role = ColumnRole::value;
  friend bool operator==(const Column&, const Column&) = default;
};

// KAFKA: one primitive, big-endian or text. JSON: object, fields matched without regard to case. DEBEZIUM_JSON (ours, value only): Debezium's
// envelope with or without its schema; before and after become update-before and update-after, deletes delete. NONE: no key.
enum class Format : std::uint8_t { none, kafka, json, debezium_json };
std::string_view format_name(Format format);

struct Window {  // of a source that a windowed aggregation wrote
  std::int64_t size_ms = 0;
  friend bool operator==(const Window&, const Window&) = default;
};

struct Source {
  std::string name;
  SourceKind kind = SourceKind::stream;
  std::vector<Column> columns;  // key columns first
  std::string topic;
  Format key_format = Format::kafka;
  Format value_format = Format::json;
  std::optional<std::string> timestamp_column;  // supplies ROWTIME
  std::optional<Window> window;                 // windowed key: key bytes + 8-byte big-endian window start
  bool wrap_single_value = true;
  std::string statement;   // the text that made it
  std::string written_by;  // query id, or empty
  friend bool operator==(const Source&, const Source&) = default;
};

// Where the binder finds sources. Names are exact (already folded).
class SourceResolver {
 public:
  virtual ~SourceResolver() = default;
  virtual const Source* find_source(std::string_view name) const = 0;
};

}  // namespace tidemill::sql
