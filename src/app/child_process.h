// Starting other programs: the demo's PostgreSQL and the commands that it shows.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace tidemill::app {

// Starts argv[0] (found by PATH) in a process group of its own, so that Ctrl-C reaches only us. Output is appended to `log_path`.
Result<int> start_process(const std::vector<std::string>& argv, const std::string& log_path);
// Waits for it and gives its exit status (128 + signal when killed).
int wait_process(int pid);

// The output of a shell command line, at most `bytes_max`, given up after `seconds`.
std::string output_of(const std::string& command_line, std::size_t bytes_max, int seconds);

}  // namespace tidemill::app
