// JSON values into columns. A JsonShape is a SQL type made ready to read: per object it remembers which spelling of a field came at
// which place last time, so that matching without regard to case costs one comparison in the usual case. Used by one task.
//
// Always true: whether a value is accepted depends on its shape alone, never on whether a column is given to keep it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "flow/json_cursor.h"
#include "record/chunk.h"

namespace tidemill::flow {

class JsonShape {
 public:
  explicit JsonShape(const record::Type& type);

  // Reads one value and appends it to `out` (null: only checks it). On false the cursor or `why` holds the reason, and `out` may have
  // rows in nested parts too many: the caller truncates.
  bool decode(JsonCursor& in, record::Column* out, record::Arena& arena);

  // Which value did not fit which type, when that was the reason.
  const std::string& why() const { return why_; }

 private:
  friend class JsonObject;
  bool decode_scalar(JsonCursor& in, JsonCursor::Token token, record::Column* out, record::Arena& arena);
  bool decode_text(JsonCursor& in, JsonCursor::Token token, record::Column* out, record::Arena& arena);
  bool decode_list(JsonCursor& in, record::Column* out, record::Arena& arena);
  bool decode_map(JsonCursor& in, record::Column* out, record::Arena& arena);
  bool refuse(JsonCursor& in, JsonCursor::Token token);

  record::Type type_;
  std::string why_;
  std::unique_ptr<JsonShape> element_;        // of ARRAY and MAP
  std::unique_ptr<class JsonObject> fields_;  // of STRUCT
};

// An object whose fields go to columns. Fields are matched without regard to case, the first match wins, the rest is checked and skipped.
class JsonObject {
 public:
  struct FieldPlan {
    std::string name;
    record::Type type;
  };
  explicit JsonObject(const std::vector<FieldPlan>& fields);
  // outs[i] receives field i, or is null. Missing fields are NULL.
  bool decode(JsonCursor& in, std::span<record::Column* const> outs, record::Arena& arena);
  std::string why() const;
  std::size_t size() const { return shapes_.size(); }

 private:
  int find(const JsonCursor::String& name, std::size_t place);
  int find_folded(std::string_view name) const;

  struct Learned {
    std::string spelling;
    int field;
  };
  std::vector<std::string> names_;  // folded
  std::vector<JsonShape> shapes_;
  std::vector<Learned> learned_;
  std::vector<std::uint64_t> seen_;  // by field: the object it was last seen in
  std::uint64_t object_ = 0;
  std::string unescaped_;
  int failed_ = -1;
};

}  // namespace tidemill::flow
