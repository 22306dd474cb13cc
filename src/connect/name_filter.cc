#include "connect/name_filter.h"

#include <fmt/format.h>

#include <regex>

#include "connect/config.h"

namespace tidemill::connect {

struct NameFilter::Expressions {
  std::vector<std::regex> all;
  bool match(const std::string& name) const {
    for (auto& one : all)
      if (std::regex_match(name, one)) return true;
    return false;
  }
};

namespace {

Result<std::vector<std::regex>> compile(std::string_view list) {
  std::vector<std::regex> all;
  for (auto& item : split_list(list)) {
    try {
      all.emplace_back(item, std::regex::ECMAScript | std::regex::icase | std::regex::optimize);
    } catch (const std::regex_error&) {
      return fail(Code::invalid, fmt::format("\"{}\" is not a regular expression", item));
    }
  }
  return all;
}

}  // namespace

Result<NameFilter> NameFilter::make(std::string_view include, std::string_view exclude) {
  NameFilter filter;
  TRY_ASSIGN(included, compile(include));
  TRY_ASSIGN(excluded, compile(exclude));
  if (!included.empty()) filter.include_ = std::make_shared<Expressions>(Expressions{std::move(included)});
  if (!excluded.empty()) filter.exclude_ = std::make_shared<Expressions>(Expressions{std::move(excluded)});
  return filter;
}

bool NameFilter::passes(const std::string& name) const {
  if (include_) return include_->match(name);
  return !exclude_ || !exclude_->match(name);
}

}  // namespace tidemill::connect
