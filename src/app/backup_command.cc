#include "app/backup_command.h"

#include <fmt/core.h>

#include <charconv>
#include <chrono>
#include <filesystem>
#include <thread>

#include "app/backup_desk.h"
#include "log/backup.h"
#include "world/real.h"

namespace tidemill::app {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds look_every{100};
constexpr int looks_per_check = 20;
constexpr seconds answer_max{15};

// A line a second.
class ProgressLine {
 public:
  void show(std::uint64_t done, std::uint64_t all) {
    if (steady_clock::now() - last_ < seconds(1)) return;
    last_ = steady_clock::now();
    fmt::print(stderr, "  {} of {} MiB\n", done >> 20, std::max(done, all) >> 20);
  }

 private:
  steady_clock::time_point last_ = steady_clock::now();
};

std::string whole_path(const std::string& path) {
  auto whole = std::filesystem::absolute(path).lexically_normal().string();
  while (whole.size() > 1 && whole.ends_with('/')) whole.pop_back();
  return whole;
}

Result<bool> is_running(world::Disk& disk, const std::string& dir) {
  auto lock = disk.lock(dir + "/lock");
  if (lock) return false;
  if (lock.error().code == Code::busy) return true;
  return lock.error();
}

Result<void> check_order(world::Disk& disk, const std::string& dir, const std::string& to) {
  TRY_ASSIGN(there, disk.exists(dir + "/journal"));
  if (!there) return fail(Code::not_found, fmt::format("there is no log in \"{}\"", dir), "--data takes the data directory of a running server");
  if (to == dir || to.starts_with(dir + "/")) return fail(Code::invalid, "a backup cannot lie inside the data directory", "--to takes a folder elsewhere, best on another disk");
  TRY_ASSIGN(running, is_running(disk, dir));
  if (!running) return fail(Code::unavailable, fmt::format("no tidemill is running on \"{}\"", dir), "start it; a copy of the directory of a stopped one is a backup as well");
  TRY_ASSIGN(ordered, disk.exists(backup_request_path(dir)));
  if (ordered) return fail(Code::busy, "another backup is waiting or going on", "try again when it is done");
  return {};
}

}  // namespace

Result<void> backup_command(const std::string& dir_given, const std::string& to_given) {
  if (to_given.empty()) return fail(Code::invalid, "--to is missing", "tidemill help backup shows the options");
  auto& disk = world::real_disk();
  auto dir = whole_path(dir_given), to = whole_path(to_given);
  TRY(check_order(disk, dir, to));
  BackupOrder order{fmt::format("{:016x}", world::real_random().next()), to};
  TRY(write_order(disk, dir, order));
  ProgressLine line;
  auto begun = steady_clock::now();
  bool seen = false;
  for (int looks = 1;; ++looks, std::this_thread::sleep_for(look_every)) {
    auto status = read_status(disk, dir);
    if (status && status->id == order.id) {
      seen = true;
      if (status->state == "failed") return fail(Code::io, status->error, status->hint);
      if (status->state == "done") return fmt::print("{}: everything up to group {}\n", to, status->jsn), Result<void>{};
      line.show(status->done, status->all);
    }
    if (looks % looks_per_check != 0) continue;  // holding the lock, however shortly, may turn a server away that is just starting
    bool late = !seen && steady_clock::now() - begun > answer_max;
    TRY_ASSIGN(running, is_running(disk, dir));
    if (running && !late) continue;
    (void)disk.remove(backup_request_path(dir));
    return fail(Code::unavailable, running ? "the server does not answer; another backup may be going on" : "the server ended before the backup was done", "try again; a folder without a file `backup` is none");
  }
}

Result<void> restore_command(const std::string& from_given, const std::string& dir_given, const std::string& to_jsn) {
  if (from_given.empty()) return fail(Code::invalid, "--from is missing", "tidemill help restore shows the options");
  std::optional<Jsn> last;
  if (!to_jsn.empty()) {
    std::uint64_t number = 0;
    auto [end, error] = std::from_chars(to_jsn.data(), to_jsn.data() + to_jsn.size(), number);
    if (error != std::errc{} || end != to_jsn.data() + to_jsn.size()) return fail(Code::invalid, "--to-jsn takes the number of a group", "tidemill help restore shows the options");
    last = Jsn{number};
  }
  auto from = whole_path(from_given), dir = whole_path(dir_given);
  ProgressLine line;
  log::CopyWatch watch;
  watch.progress = [&](std::uint64_t done, std::uint64_t all) { line.show(done, all); };
  TRY_ASSIGN(made, log::restore_backup(world::real_disk(), world::real_clock(), from, dir, last, std::move(watch)));
  fmt::print("{}: everything up to group {}; start it with tidemill start --data {}\n", dir, made.jsn.value, dir);
  return {};
}

}  // namespace tidemill::app
