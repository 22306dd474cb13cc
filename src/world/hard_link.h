// A second name for a file that is never changed again, where the file system can do that. Apart from Disk, because a simulated one has none.
#pragma once

#include <string>

#include "base/result.h"

namespace tidemill::world {

// Code::unsupported when the two are not on one file system, or it has no such links.
Result<void> hard_link(const std::string& from, const std::string& to);

}  // namespace tidemill::world
