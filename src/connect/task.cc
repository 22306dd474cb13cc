#include "connect/task.h"

#include <algorithm>

#include "observe/log.h"
#include "observe/metrics.h"

namespace tidemill::connect {

namespace {

// Lower case, as the metric's label has it.
std::string label_of(State state) {
  std::string label(state_name(state));
  for (char& c : label) c = static_cast<char>(c - 'A' + 'a');
  return label;
}

void count_task(State state, int change) { observe::metrics().gauge("tidemill_connect_tasks", {{"state", label_of(state)}}).add(change); }

}  // namespace

std::string_view state_name(State state) {
  switch (state) {
    case State::unassigned: return "UNASSIGNED";
    case State::running: return "RUNNING";
    case State::paused: return "PAUSED";
    case State::failed: return "FAILED";
  }
  return "UNASSIGNED";
}

StatusBoard::StatusBoard() { count_task(status_.state, 1); }
StatusBoard::~StatusBoard() { count_task(status_.state, -1); }

Status StatusBoard::read() const {
  std::lock_guard hold(mutex_);
  return status_;
}

void StatusBoard::state(State state, std::string trace) {
  std::lock_guard hold(mutex_);
  if (status_.state != state) {
    count_task(status_.state, -1);
    count_task(state, 1);
  }
  status_.state = state;
  status_.trace = std::move(trace);
}

void StatusBoard::warn(const std::string& connector, std::string text) {
  constexpr std::size_t kept = 100;
  std::lock_guard hold(mutex_);
  auto& warnings = status_.warnings;
  if (std::find(warnings.begin(), warnings.end(), text) != warnings.end()) return;
  log_warn("connector.warning", {{"connector", connector}, {"hint", text}});
  if (warnings.size() == kept) warnings.erase(warnings.begin());
  warnings.push_back(std::move(text));
}

void StatusBoard::progress(std::map<std::string, std::string> progress) {
  std::lock_guard hold(mutex_);
  status_.progress = std::move(progress);
}

}  // namespace tidemill::connect
