// `tidemill demo`: a private PostgreSQL, a shop that keeps changing it, the server with a connector, a stream and tables defined, and one
// live line. Runs until `stop_wanted` becomes true; the data stay for the next start.
#pragma once

#include <atomic>
#include <string>

#include "base/result.h"

namespace tidemill::settings {
struct Settings;
}

namespace tidemill::app {

std::string default_demo_dir();
Result<void> run_demo(const settings::Settings& settings, const std::string& dir, int transactions_per_second, const std::atomic<bool>& stop_wanted);

}  // namespace tidemill::app
