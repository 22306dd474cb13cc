// `tidemill backup` and `tidemill restore`: orders for a running server, and a new data directory from what it made.
#pragma once

#include <string>

#include "base/result.h"

namespace tidemill::app {

// Waits until the backup is there; progress goes to standard error.
Result<void> backup_command(const std::string& dir, const std::string& to);
// `to_jsn` as the user wrote it; empty: all.
Result<void> restore_command(const std::string& from, const std::string& dir, const std::string& to_jsn);

}  // namespace tidemill::app
