#include "flow/json_write.h"

#include <charconv>
#include <cmath>

#include "flow/queries.h"
#include "flow/value_text.h"

namespace tidemill::flow {
namespace {

using record::Column;
using record::Kind;
using record::Lane;
using record::Value;

void write_whole(std::int64_t v, std::string& out) {
  char buffer[24];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, v).ptr);
}

void write_real(double v, std::string& out) {
  if (std::isfinite(v)) return append_double(out, v);
  out.push_back('"');
  append_double(out, v);
  out.push_back('"');
}

void write_bytes(std::string_view v, std::string& out) {
  out.push_back('"');
  append_base64(out, v);
  out.push_back('"');
}

template <class Append>
void quoted(std::string& out, Append append, std::int64_t v) {
  out.push_back('"');
  append(out, v);
  out.push_back('"');
}

}  // namespace

void write_json(const Column& column, std::size_t row, std::string& out) {
  if (column.null(row)) { out += "null"; return; }
  switch (column.lane) {
    case Lane::whole:
      if (column.type.kind() == Kind::boolean) out += column.whole[row] ? "true" : "false";
      else write_whole(column.whole[row], out);
      return;
    case Lane::real: return write_real(column.real[row], out);
    case Lane::decimal: return append_decimal(out, column.decimal[row], column.type.scale());
    case Lane::text:
      if (column.type.kind() == Kind::bytes) return write_bytes(column.text[row], out);
      return append_json_string(out, column.text[row]);
    case Lane::list:
      out.push_back('[');
      for (auto item = column.begin_of(row); item < column.ends[row]; ++item) {
        if (item != column.begin_of(row)) out.push_back(',');
        write_json(column.parts[0], item, out);
      }
      out.push_back(']');
      return;
    case Lane::map:
      out.push_back('{');
      for (auto item = column.begin_of(row); item < column.ends[row]; ++item) {
        if (item != column.begin_of(row)) out.push_back(',');
        append_json_string(out, column.parts[0].text[item]);
        out.push_back(':');
        write_json(column.parts[1], item, out);
      }
      out.push_back('}');
      return;
    case Lane::structure: break;
  }
  out.push_back('{');
  for (std::size_t p = 0; p < column.parts.size(); ++p) {
    if (p) out.push_back(',');
    append_json_string(out, column.type.fields()[p].name);
    out.push_back(':');
    write_json(column.parts[p], row, out);
  }
  out.push_back('}');
}

void append_json(std::string& out, const Value& value, const record::Type& type) {
  if (value.null()) { out += "null"; return; }
  switch (type.kind()) {
    case Kind::boolean: out += std::get<bool>(value.data) ? "true" : "false"; return;
    case Kind::integer:
    case Kind::bigint: return write_whole(std::get<std::int64_t>(value.data), out);
    case Kind::double_: return write_real(std::get<double>(value.data), out);
    case Kind::decimal: return append_decimal(out, std::get<record::Decimal>(value.data).unscaled, type.scale());
    case Kind::string: return append_json_string(out, std::get<std::string>(value.data));
    case Kind::bytes: return write_bytes(std::get<std::string>(value.data), out);
    case Kind::date: return quoted(out, append_date, std::get<std::int64_t>(value.data));
    case Kind::time: return quoted(out, append_time, std::get<std::int64_t>(value.data));
    case Kind::timestamp: return quoted(out, append_timestamp, std::get<std::int64_t>(value.data));
    case Kind::map: {
      out.push_back('{');
      bool first = true;
      for (auto& [key, item] : std::get<std::shared_ptr<const record::ValueMap>>(value.data)->entries) {
        if (!std::exchange(first, false)) out.push_back(',');
        append_json_string(out, key);
        out.push_back(':');
        append_json(out, item, type.element());
      }
      out.push_back('}');
      return;
    }
    case Kind::array:
    case Kind::struct_: break;
  }
  auto& items = *std::get<std::shared_ptr<const record::ValueList>>(value.data);
  bool list = type.kind() == Kind::array;
  out.push_back(list ? '[' : '{');
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i) out.push_back(',');
    if (!list) {
      append_json_string(out, type.fields()[i].name);
      out.push_back(':');
    }
    append_json(out, items[i], list ? type.element() : type.fields()[i].type);
  }
  out.push_back(list ? ']' : '}');
}

}  // namespace tidemill::flow
