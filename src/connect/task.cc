#include "connect/task.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>

namespace tidemill::connect {

std::string_view state_name(State state) {
  switch (state) {
    case State::unassigned: return "UNASSIGNED";
    case State::running: return "RUNNING";
    case State::paused: return "PAUSED";
    case State::failed: return "FAILED";
  }
  return "UNASSIGNED";
}

Status StatusBoard::read() const {
  std::lock_guard hold(mutex_);
  return status_;
}

void StatusBoard::state(State state, std::string trace) {
  std::lock_guard hold(mutex_);
  status_.state = state;
  status_.trace = std::move(trace);
}

void StatusBoard::warn(const std::string& connector, std::string text) {
  constexpr std::size_t kept = 100;
  std::lock_guard hold(mutex_);
  auto& warnings = status_.warnings;
  if (std::find(warnings.begin(), warnings.end(), text) != warnings.end()) return;
  fmt::print(stderr, "connector {}: {}\n", connector, text);
  if (warnings.size() == kept) warnings.erase(warnings.begin());
  warnings.push_back(std::move(text));
}

void StatusBoard::progress(std::map<std::string, std::string> progress) {
  std::lock_guard hold(mutex_);
  status_.progress = std::move(progress);
}

}  // namespace tidemill::connect
