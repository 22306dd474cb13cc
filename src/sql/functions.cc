#include "sql/functions.h"

#include <algorithm>

namespace tidemill::sql {

const Function* find_function(std::string_view name) {
  auto& all = scalar_functions();
  auto found = std::lower_bound(all.begin(), all.end(), name, [](const Function& f, std::string_view n) { return f.name < n; });
  return found != all.end() && found->name == name ? &*found : nullptr;
}

const std::vector<AggregateFunction>& aggregate_functions() {
  static const std::vector<AggregateFunction> all = {
      {"AVG", "The mean of the values that are not NULL."},
      {"COUNT", "The number of rows, or of values that are not NULL."},
      {"MAX", "The largest value that is not NULL."},
      {"MIN", "The smallest value that is not NULL."},
      {"SUM", "The sum of the values that are not NULL."}};
  return all;
}

bool aggregate_name(std::string_view name) {
  auto& all = aggregate_functions();
  return std::any_of(all.begin(), all.end(), [&](auto& f) { return f.name == name; });
}

}  // namespace tidemill::sql
