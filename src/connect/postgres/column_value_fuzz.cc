#include <cstdlib>

#include <nlohmann/json.hpp>

#include "connect/postgres/column_type.h"

// Whatever text comes for a column of any type, what is written is JSON, or nothing is said to be written. The first byte is the type.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tidemill::connect::postgres;
  if (size == 0) return 0;
  constexpr auto kinds = static_cast<unsigned>(Kind::array) + 1;
  ColumnType type;
  type.kind = static_cast<Kind>(data[0] % kinds);
  type.digits = data[0] / kinds;
  type.scale = data[0] / kinds;
  if (type.kind == Kind::array) {
    auto element = std::make_shared<ColumnType>();
    element->kind = static_cast<Kind>(data[0] / kinds % (kinds - 1));
    type.element = std::move(element);
  }
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  // Numbers are passed on as the server writes them.
  bool passed_on = type.kind <= Kind::float64 || type.kind == Kind::decimal_double || type.kind == Kind::array;
  std::string out;
  if (!append_value(out, type, text)) {
    if (!out.empty()) std::abort();
    return 0;
  }
  if (passed_on) return 0;
  // Bytes that are no UTF-8 do not come from PostgreSQL.
  for (char& c : out)
    if (static_cast<unsigned char>(c) >= 0x80) c = 'x';
  if (!nlohmann::json::accept(out)) std::abort();
  return 0;
}
