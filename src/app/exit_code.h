// Exit codes of every command; docs/operations.md lists them.
#pragma once

#include "base/result.h"

namespace tidemill::app {

enum Exit : int { exit_ok = 0, exit_failed = 1, exit_usage = 2, exit_not_found = 3, exit_conflict = 4, exit_refused = 5, exit_unreachable = 6, exit_fatal = 70, exit_interrupted = 130 };

inline Exit exit_for(const Error& error) {
  switch (error.code) {
    case Code::invalid: return exit_usage;
    case Code::not_found: return exit_not_found;
    case Code::already_exists:
    case Code::busy: return exit_conflict;
    case Code::refused: return exit_refused;
    case Code::unavailable: return exit_unreachable;
    default: return exit_failed;
  }
}

}  // namespace tidemill::app
