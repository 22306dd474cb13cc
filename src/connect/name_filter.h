// Include and exclude lists: comma-separated regular expressions, each matching a whole name, without regard to case.
// Slow (std::regex); meant to be asked once per table, not per row.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tidemill::connect {

class NameFilter {
 public:
  // Empty lists let everything through. An include list, if given, is the only one that counts.
  static Result<NameFilter> make(std::string_view include, std::string_view exclude);
  bool passes(const std::string& name) const;

 private:
  struct Expressions;
  std::shared_ptr<const Expressions> include_, exclude_;
};

}  // namespace tidemill::connect
