#include "connect/postgres/key_order.h"

#include <fmt/format.h>

#include <charconv>

namespace tidemill::connect::postgres {
namespace {

constexpr std::uint32_t oid_bpchar = 1042;

std::int64_t number(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool utf8_server(const Session& sql) { return sql.setting("server_encoding") == "UTF8"; }

}  // namespace

KeyOrder::KeyOrder(const Table& table) {
  if (table.identity != 'd' && table.identity != 'f') return;
  for (auto column : table.key) {
    auto& c = table.columns[column];
    auto by = By::text;
    if (c.type.kind == Kind::int16 || c.type.kind == Kind::int32 || c.type.kind == Kind::int64) by = By::number;
    else if (c.type.kind == Kind::uuid) by = By::uuid;
    else if (c.oid == oid_bpchar) by = By::padded_text;
    parts_.push_back({column, c.name, by});
  }
}

Key KeyOrder::key_of(const Row& row) const {
  Key key;
  for (auto& part : parts_) {
    auto text = part.column < row.size() ? row[part.column].text : std::string_view();
    if (part.by == By::padded_text)
      while (text.ends_with(' ')) text.remove_suffix(1);  // as the cast to text does
    key.emplace_back(text);
  }
  return key;
}

bool KeyOrder::less(const Key& a, const Key& b) const {
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (a[i] == b[i]) continue;
    return parts_[i].by == By::number ? number(a[i]) < number(b[i]) : a[i] < b[i];
  }
  return false;
}

// The text of a uuid sorts as the uuid does, so that its index can serve.
std::string KeyOrder::expression(const Session& sql, const Part& part) const {
  auto name = sql.identifier(part.name);
  if (part.by == By::number || part.by == By::uuid) return name;
  return utf8_server(sql) ? fmt::format("({}::text COLLATE \"C\")", name) : fmt::format("convert_to({}::text, 'UTF8')", name);
}

std::string KeyOrder::order_by(const Session& sql) const {
  std::string out;
  for (auto& part : parts_) out += (out.empty() ? " ORDER BY " : ", ") + expression(sql, part);
  return out;
}

std::string KeyOrder::behind(const Session& sql, const Key& key) const {
  std::string left, right;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    left += (i == 0 ? "" : ", ") + expression(sql, parts_[i]);
    auto value = sql.literal(key[i]);
    bool bytes = (parts_[i].by == By::text || parts_[i].by == By::padded_text) && !utf8_server(sql);
    right += (i == 0 ? "" : ", ") + (bytes ? fmt::format("convert_to({}, 'UTF8')", value) : value);
  }
  return fmt::format("ROW({}) > ROW({})", left, right);
}

}  // namespace tidemill::connect::postgres
