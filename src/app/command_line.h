// What the user typed after `tidemill`: a command and its options, from one table that also prints --help.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tidemill::app {

struct CommandLine {
  std::string command;                                    // start, demo, version, help
  std::map<std::string, std::string> options;             // --data DIR as {"data", DIR}; flags as "true"
  std::vector<std::pair<std::string, std::string>> sets;  // --set KEY=VALUE, in order
  std::string option(const std::string& name, std::string otherwise = {}) const {
    auto at = options.find(name);
    return at == options.end() ? otherwise : at->second;
  }
};

// Code::invalid with a message that names what is wrong and what is accepted.
Result<CommandLine> read_command_line(int argc, const char* const* argv);

// Of one command, or of all when it is empty.
std::string help_text(const std::string& command);

}  // namespace tidemill::app
