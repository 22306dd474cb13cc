// The scalar functions as spec/functions.toml declares them, and the choice of an overload.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "record/types.h"

namespace tidemill::sql {

struct Parameter {
  enum class Rule : std::uint8_t { kind, any, ordered };  // any and ordered: one type for all such parameters of the call
  Rule rule = Rule::kind;
  record::Kind kind = record::Kind::string;
};

struct Overload {
  enum class Rule : std::uint8_t { type, generic, same, whole };
  std::vector<Parameter> parameters;
  bool variadic = false;  // the last parameter repeats
  Rule rule = Rule::type;
  record::Type returns;   // Rule::type
};

struct Function {
  std::string name, category, doc;
  bool clock = false;  // depends on when it is asked
  std::vector<Overload> overloads;
};

// Sorted by name.
const std::vector<Function>& scalar_functions();
const Function* find_function(std::string_view name);

struct AggregateFunction {
  std::string_view name, doc;
};
const std::vector<AggregateFunction>& aggregate_functions();
bool aggregate_name(std::string_view name);

}  // namespace tidemill::sql
