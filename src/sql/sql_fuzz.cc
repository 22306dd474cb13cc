// Any bytes are either statements that bind or an error; never a crash, a hang or a stack overflow.
#include <string_view>

#include "sql/sql_test_catalog.h"

using namespace tidemill::sql;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const TestCatalog catalog;
  auto statements = parse({reinterpret_cast<const char*>(data), size});
  if (!statements) return 0;
  for (auto& statement : *statements) {
    if (auto* select = std::get_if<Select>(&statement.body)) {
      for (auto form : {QueryForm::persistent, QueryForm::push, QueryForm::pull}) (void)bind_query(*select, catalog, {form});
    } else if (auto* create = std::get_if<CreateSource>(&statement.body)) {
      (void)bind_create(*create, statement.text);
    } else if (auto* create_as = std::get_if<CreateAs>(&statement.body)) {
      (void)bind_create_as(*create_as, catalog, statement.text);
    } else if (auto* insert = std::get_if<InsertValues>(&statement.body)) {
      if (auto* source = catalog.find_source(insert->target)) (void)bind_insert(*insert, *source);
    }
  }
  return 0;
}
