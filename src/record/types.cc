#include "record/types.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace tidemill::record {

Type Type::array(Type element) {
  Type t(Kind::array);
  t.parts_ = std::make_shared<std::vector<Field>>(std::vector<Field>{{"", std::move(element)}});
  return t;
}
Type Type::map(Type value) {
  Type t(Kind::map);
  t.parts_ = std::make_shared<std::vector<Field>>(std::vector<Field>{{"", std::move(value)}});
  return t;
}
Type Type::structure(std::vector<Field> fields) {
  Type t(Kind::struct_);
  t.parts_ = std::make_shared<std::vector<Field>>(std::move(fields));
  return t;
}

const Type& Type::element() const {
  CHECK(kind_ == Kind::array || kind_ == Kind::map);
  return parts_->front().type;
}
const std::vector<Field>& Type::fields() const {
  CHECK(kind_ == Kind::struct_);
  return *parts_;
}
int Type::field_index(std::string_view name) const {
  auto& all = fields();
  auto found = std::find_if(all.begin(), all.end(), [&](const Field& f) { return f.name == name; });
  return found == all.end() ? -1 : static_cast<int>(found - all.begin());
}

std::string Type::text() const {
  switch (kind_) {
    case Kind::boolean: return "BOOLEAN";
    case Kind::integer: return "INTEGER";
    case Kind::bigint: return "BIGINT";
    case Kind::double_: return "DOUBLE";
    case Kind::decimal: return fmt::format("DECIMAL({}, {})", precision_, scale_);
    case Kind::string: return "STRING";
    case Kind::bytes: return "BYTES";
    case Kind::date: return "DATE";
    case Kind::time: return "TIME";
    case Kind::timestamp: return "TIMESTAMP";
    case Kind::array: return "ARRAY<" + element().text() + ">";
    case Kind::map: return "MAP<STRING, " + element().text() + ">";
    case Kind::struct_: break;
  }
  std::string out = "STRUCT<";
  for (auto& f : fields()) {
    if (out.size() > 7) out += ", ";
    out += "`" + f.name + "` " + f.type.text();
  }
  return out + ">";
}

bool operator==(const Type& a, const Type& b) {
  if (a.kind_ != b.kind_ || a.precision_ != b.precision_ || a.scale_ != b.scale_) return false;
  if (a.parts_ == b.parts_) return true;
  return a.parts_ && b.parts_ && *a.parts_ == *b.parts_;
}

bool operator==(const Value& a, const Value& b) {
  if (a.data.index() != b.data.index()) return false;
  if (auto* x = std::get_if<double>(&a.data)) {
    auto y = std::get<double>(b.data);
    return std::memcmp(x, &y, sizeof y) == 0 || *x == y;
  }
  if (auto* x = std::get_if<std::shared_ptr<const ValueList>>(&a.data)) return **x == *std::get<std::shared_ptr<const ValueList>>(b.data);
  if (auto* x = std::get_if<std::shared_ptr<const ValueMap>>(&a.data)) return (*x)->entries == std::get<std::shared_ptr<const ValueMap>>(b.data)->entries;
  return a.data == b.data;
}

std::string decimal_text(Decimal d, int scale) {
  bool negative = d.unscaled < 0;
  auto digits = negative ? -static_cast<unsigned __int128>(d.unscaled) : static_cast<unsigned __int128>(d.unscaled);
  std::string out;
  for (int place = 0; digits != 0 || place <= scale; ++place) {
    if (place == scale && scale > 0) out.push_back('.');
    out.push_back(static_cast<char>('0' + static_cast<int>(digits % 10)));
    digits /= 10;
  }
  if (negative) out.push_back('-');
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace tidemill::record
