// `tidemill scrub`: checks everything in the data directory of a server that is stopped, and changes nothing.
#pragma once

#include <string>

namespace tidemill::app {

// What scrub answers with; scripts ask for the difference between damage and not having looked.
enum ScrubExit : int { scrub_clean = 0, scrub_damage = 1, scrub_failed = 2 };

int scrub_command(const std::string& dir, bool json);

}  // namespace tidemill::app
