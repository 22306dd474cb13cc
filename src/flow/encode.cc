#include "flow/encode.h"

#include <cstring>

#include "bytes/cursor.h"
#include "flow/json_write.h"
#include "flow/primitive.h"
#include "flow/value_text.h"

namespace tidemill::flow {

Result<RowEncoder> RowEncoder::make(const std::vector<sql::Column>& columns, const sql::Source& sink) {
  RowEncoder out;
  out.key_format_ = sink.key_format;
  out.value_format_ = sink.value_format;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    auto& column = columns[i];
    bool key = column.role == sql::ColumnRole::key;
    auto& parts = key ? out.keys_ : out.values_;
    std::string name(1, parts.empty() ? '{' : ',');
    append_json_string(name, column.name);
    name.push_back(':');
    parts.push_back({i, std::move(name)});
    auto format = key ? sink.key_format : sink.value_format;
    if (format == sql::Format::debezium_json)
      return fail(Code::unsupported, "DEBEZIUM_JSON can be read, not written", "use VALUE_FORMAT='JSON' for the result");
    if (format == sql::Format::kafka && (!primitive_type(column.type) || parts.size() > 1))
      return fail(Code::unsupported, "column " + column.name + " of type " + column.type.text() + " does not fit the KAFKA format",
                  "KAFKA takes one column of INTEGER, BIGINT, DOUBLE, STRING or BYTES; use JSON");
  }
  out.bare_key_ = out.keys_.size() == 1;
  out.bare_value_ = out.values_.size() == 1 && !sink.wrap_single_value;
  return out;
}

bool RowEncoder::write(const std::vector<Part>& parts, sql::Format format, bool bare, std::span<const Operand> cells, std::uint32_t row, std::string& out) {
  out.clear();
  if (parts.empty() || format == sql::Format::none) return false;
  if (bare || format == sql::Format::kafka) {
    auto& cell = cells[parts[0].column];
    if (cell.null(row)) return false;
    if (format == sql::Format::kafka) encode_primitive(*cell.column, cell.at(row), out);
    else write_json(*cell.column, cell.at(row), out);
    return true;
  }
  for (auto& part : parts) {
    out += part.before;
    auto& cell = cells[part.column];
    write_json(*cell.column, cell.at(row), out);
  }
  out.push_back('}');
  return true;
}

bool RowEncoder::key(std::span<const Operand> cells, std::uint32_t row, std::string& out) const {
  return write(keys_, key_format_, bare_key_, cells, row, out);
}

bool RowEncoder::value(std::span<const Operand> cells, std::uint32_t row, std::string& out) const {
  return write(values_, value_format_, bare_value_, cells, row, out);
}

void RowEncoder::add_window(std::int64_t start_ms, std::string& out) {
  ByteWriter bytes;
  bytes.i64(start_ms);
  out += bytes.view();
}

std::uint32_t murmur2(std::string_view bytes) {
  constexpr std::uint32_t m = 0x5bd1e995;
  auto left = bytes.size();
  auto* p = bytes.data();
  std::uint32_t h = 0x9747b28cu ^ static_cast<std::uint32_t>(left);
  for (; left >= 4; p += 4, left -= 4) {
    std::uint32_t k;
    std::memcpy(&k, p, 4);
    k *= m;
    k ^= k >> 24;
    k *= m;
    h = h * m ^ k;
  }
  auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(p[i])); };
  if (left == 3) h ^= byte(2) << 16;
  if (left >= 2) h ^= byte(1) << 8;
  if (left >= 1) h = (h ^ byte(0)) * m;
  h ^= h >> 13;
  h *= m;
  return h ^ (h >> 15);
}

}  // namespace tidemill::flow
