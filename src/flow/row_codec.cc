#include "flow/row_codec.h"

#include <bit>

namespace tidemill::flow {
namespace {

using record::Column;
using record::Lane;

template <class T>
void put(std::string& out, T v) {
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}

bool decode_nested(ByteReader& in, Column& column, record::Arena& arena) {
  if (column.lane == Lane::structure) {
    for (auto& part : column.parts)
      if (!decode_cell(in, part, arena)) return false;
  } else {
    auto count = in.le<std::uint32_t>();
    if (count > in.remaining()) return false;
    for (std::uint32_t i = 0; i < count; ++i)
      for (auto& part : column.parts)
        if (!decode_cell(in, part, arena)) return false;
    column.ends.push_back(static_cast<std::uint32_t>(column.parts[0].size()));
  }
  column.valid.push_back(1);
  return in.ok();
}

}  // namespace

void encode_cell(const Column& column, std::size_t row, std::string& out) {
  if (column.null(row)) { out.push_back('\0'); return; }
  out.push_back('\1');
  switch (column.lane) {
    case Lane::whole: return put(out, column.whole[row]);
    case Lane::real: return put(out, column.real[row] == 0 ? 0.0 : column.real[row]);  // one zero
    case Lane::decimal: return put(out, column.decimal[row]);
    case Lane::text:
      put(out, static_cast<std::uint32_t>(column.text[row].size()));
      out.append(column.text[row]);
      return;
    case Lane::list:
    case Lane::map:
      put(out, column.ends[row] - column.begin_of(row));
      for (auto item = column.begin_of(row); item < column.ends[row]; ++item)
        for (auto& part : column.parts) encode_cell(part, item, out);
      return;
    case Lane::structure:
      for (auto& part : column.parts) encode_cell(part, row, out);
  }
}

bool decode_cell(ByteReader& in, Column& column, record::Arena& arena) {
  auto mark = in.u8();
  if (!in.ok() || mark > 1) return false;
  if (mark == 0) return (column.append_null(), true);
  switch (column.lane) {
    case Lane::whole: column.append_whole(in.le<std::int64_t>()); break;
    case Lane::real: column.append_real(std::bit_cast<double>(in.le<std::uint64_t>())); break;
    case Lane::decimal: {
      auto low = in.le<std::uint64_t>();
      auto high = in.le<std::uint64_t>();
      column.append_decimal(static_cast<__int128>(static_cast<unsigned __int128>(high) << 64 | low));
      break;
    }
    case Lane::text: {
      auto size = in.le<std::uint32_t>();
      if (size > in.remaining()) return false;
      column.append_text(arena.keep(in.text(size)));
      break;
    }
    default: return decode_nested(in, column, arena);
  }
  return in.ok();
}

}  // namespace tidemill::flow
