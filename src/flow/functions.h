// Scalar functions: one implementation per name of spec/functions.toml, value by value. The binder has chosen the overload and cast the
// arguments; the types here say which one it was.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "record/types.h"

namespace tidemill::flow {

struct Call {
  std::span<const record::Value> args;
  std::span<const record::Type> types;
  const record::Type& result;
};

struct ScalarFunction {
  std::string_view name;
  Result<record::Value> (*run)(const Call& call);
  bool null_for_null = true;  // any NULL argument gives NULL without a call
};

const ScalarFunction* find_function(std::string_view name);

// The families, each a table in a file of its own.
std::span<const ScalarFunction> numeric_functions();
std::span<const ScalarFunction> string_functions();
std::span<const ScalarFunction> general_functions();

// -1, 0, 1; neither side NULL; numbers, text, bytes, dates and times.
int compare_values(const record::Value& a, const record::Value& b, const record::Type& type);

}  // namespace tidemill::flow
