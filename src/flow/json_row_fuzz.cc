#include <simdjson.h>

#include <cstdlib>

#include "flow/decode.h"

// Any bytes as the value of a row: never a crash, the same verdict whichever columns are read, and no text accepted that is not JSON.

namespace tidemill::flow {
namespace {

const sql::Source& source() {
  static const sql::Source made = [] {
    sql::Source s;
    s.key_format = sql::Format::none;
    auto add = [&](const char* name, record::Type type) { s.columns.push_back({name, std::move(type), sql::ColumnRole::value}); };
    add("A", record::Kind::integer);
    add("B", record::Kind::string);
    add("C", record::Kind::double_);
    add("D", record::Type::decimal(10, 2));
    add("E", record::Type::array(record::Kind::bigint));
    add("F", record::Type::map(record::Kind::string));
    add("G", record::Type::structure({{"X", record::Kind::boolean}, {"Y", record::Kind::bytes}}));
    return s;
  }();
  return made;
}

bool accepted(std::string_view value, unsigned columns) {
  std::vector<bool> used(source().columns.size() + sql::pseudo_count, false);
  for (std::size_t i = 0; i < source().columns.size(); ++i) used[i] = columns >> i & 1;
  RowDecoder decoder(source(), used);
  record::Chunk chunk;
  decoder.prepare(chunk);
  record::RecordView record;
  record.value = value;
  bool good = decoder.decode(record, {}, chunk);
  if (chunk.rows() != (good ? 1u : 0u)) std::abort();
  for (std::size_t i = 0; i < chunk.columns.size(); ++i)
    if (chunk.columns[i].size() != (good && used[i] ? 1u : 0u)) std::abort();
  return good;
}

}  // namespace
}  // namespace tidemill::flow

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tidemill::flow;
  std::string_view value(reinterpret_cast<const char*>(data), size);
  bool all = accepted(value, 0x7f);
  for (unsigned columns : {0u, 1u, 0x12u, 0x60u})
    if (accepted(value, columns) != all) std::abort();
  if (!all) return 0;
  simdjson::dom::parser parser;
  auto error = parser.parse(simdjson::padded_string(value)).error();
  // It refuses numbers beyond 64 bits and doubles, which a DECIMAL may hold.
  if (error && error != simdjson::NUMBER_ERROR) std::abort();
  return 0;
}
