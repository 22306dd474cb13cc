// WITH (...): which properties exist, what they may hold, and the formats they choose. Private to the room. Throws Refusal.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sql/ast.h"
#include "sql/parser.h"
#include "sql/source.h"

namespace tidemill::sql {

class Properties {
 public:
  // Refuses names that are unknown, not ours yet, or not for this statement.
  Properties(const std::vector<Property>& list, bool create_as);

  std::optional<std::string> text(std::string_view name) const;
  std::optional<std::int64_t> number(std::string_view name) const;
  std::optional<bool> flag(std::string_view name) const;
  std::optional<Format> format(std::string_view name) const;  // KEY_FORMAT or VALUE_FORMAT, or what FORMAT says for both
  std::optional<std::int32_t> partitions() const;
  [[noreturn]] void refuse(std::string_view name, std::string message, std::string hint = {}) const;

 private:
  const Property* find(std::string_view name) const;
  const std::vector<Property>& list_;
};

// The rules that tie formats, columns and properties together, the same for a declared source and for a sink.
void check_formats(const Source& source, const Properties& properties);
void apply_timestamp(Source& source, const Properties& properties);

}  // namespace tidemill::sql
