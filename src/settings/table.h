// Between the generated table and load.cc only: how the text of each setting is read and shown.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "settings/fields.h"

namespace tidemill::settings {

// Each returns what is accepted as the error's message: "a number from 1 to 10".
Result<void> read_string(const std::string& text, std::string& out);
Result<void> read_int(const std::string& text, std::int64_t min, std::int64_t max, std::int64_t& out);
Result<void> read_count(const std::string& text, std::int64_t min, std::int64_t max, std::size_t& out);
Result<void> read_bytes(const std::string& text, std::int64_t min, std::int64_t max, std::size_t& out);
Result<void> read_duration(const std::string& text, std::int64_t min, std::int64_t max, std::chrono::milliseconds& out);
Result<void> read_bool(const std::string& text, bool& out);
Result<void> read_address(const std::string& text, ListenAddress& out);
Result<void> read_choice(const std::string& text, const std::vector<std::string>& values, std::string& out);
Result<void> read_list(const std::string& text, std::vector<std::string>& out);  // "a, b"

std::string show(const std::string& value);
std::string show(std::int64_t value);
std::string show(std::size_t value);
std::string show(std::chrono::milliseconds value);
std::string show(bool value);
std::string show(const ListenAddress& value);
std::string show(const std::vector<std::string>& value);

struct Row {
  std::string name;
  bool secret;
  bool list;
  Result<void> (*read)(Settings&, const std::string&);
  std::string (*show)(const Settings&);
};
const std::vector<Row>& table();

}  // namespace tidemill::settings
