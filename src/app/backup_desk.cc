#include "app/backup_desk.h"

#include <nlohmann/json.hpp>

#include "log/backup.h"
#include "log/embedded_log.h"
#include "observe/log.h"
#include "world/hard_link.h"
#include "world/real.h"

namespace tidemill::app {
namespace {

using nlohmann::json;

constexpr std::int64_t look_every_ns = 200'000'000, tell_every_ns = 1'000'000'000;
constexpr std::int64_t rest_min_ns = 5'000'000, rest_max_ns = 200'000'000;
constexpr std::size_t file_bytes_max = 64 * 1024;

std::string status_path(const std::string& dir) { return dir + "/backup.status"; }

json read_object(world::Disk& disk, const std::string& path) {
  auto text = world::read_file(disk, path, file_bytes_max);
  return text ? json::parse(*text, nullptr, false) : json();
}

// A member of another type counts as absent.
std::string word(const json& object, const char* name) {
  auto at = object.find(name);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}
std::uint64_t number(const json& object, const char* name) {
  auto at = object.find(name);
  return at != object.end() && at->is_number_unsigned() ? at->get<std::uint64_t>() : 0;
}

std::string text_of(const json& object) { return object.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"; }

}  // namespace

std::string backup_request_path(const std::string& dir) { return dir + "/backup.request"; }

Result<void> write_order(world::Disk& disk, const std::string& dir, const BackupOrder& order) {
  json object{{"id", order.id}, {"to", order.to}};
  return world::replace_file(disk, backup_request_path(dir), text_of(object));
}

std::optional<BackupStatus> read_status(world::Disk& disk, const std::string& dir) {
  auto object = read_object(disk, status_path(dir));
  if (!object.is_object()) return std::nullopt;
  return BackupStatus{word(object, "id"), word(object, "state"), number(object, "done"), number(object, "all"), number(object, "jsn"), word(object, "error"), word(object, "hint")};
}

BackupDesk::BackupDesk(world::Disk& disk, world::Clock& clock, log::EmbeddedLog& log, std::string dir)
    : disk_(disk), clock_(clock), log_(log), dir_(std::move(dir)) {
  (void)disk_.remove(backup_request_path(dir_));  // of an earlier run: nobody waits for it any more
  thread_ = world::start_thread("tm-backup", [this] { run(); });
}

BackupDesk::~BackupDesk() {
  {
    std::lock_guard hold(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

bool BackupDesk::wait(std::int64_t ns) {
  std::unique_lock hold(mutex_);
  return !wake_.wait_for(hold, std::chrono::nanoseconds(ns), [this] { return stopping_; });
}

void BackupDesk::run() {
  while (wait(look_every_ns))
    if (auto order = take_order()) serve(*order);
}

std::optional<BackupOrder> BackupDesk::take_order() {
  auto path = backup_request_path(dir_);
  if (auto there = disk_.exists(path); !there || !*there) return std::nullopt;
  auto object = read_object(disk_, path);
  (void)disk_.remove(path);
  if (!object.is_object()) return std::nullopt;
  return BackupOrder{word(object, "id"), word(object, "to")};
}

void BackupDesk::tell(const BackupStatus& status) {
  json object{{"id", status.id}, {"state", status.state}, {"done", status.done}, {"all", status.all}, {"jsn", status.jsn}, {"error", status.error}, {"hint", status.hint}};
  if (auto told = world::replace_file(disk_, status_path(dir_), text_of(object)); !told) log_warn("backup.status_failed", {{"error.message", told.error().text()}});
}

void BackupDesk::serve(const BackupOrder& order) {
  BackupStatus status{.id = order.id, .state = "running"};
  tell(status);
  log_info("backup.started", {{"backup.to", order.to}});
  auto told_ns = clock_.monotonic_ns();
  auto jsn = log_.durable_jsn();
  log::CopyWatch watch;
  watch.link = world::hard_link;
  watch.progress = [&](std::uint64_t done, std::uint64_t all) {
    status.done = done, status.all = all;
    if (clock_.monotonic_ns() - told_ns < tell_every_ns) return;
    told_ns = clock_.monotonic_ns();
    tell(status);
  };
  watch.pause = [&](std::int64_t piece_ns) {
    bool busy = jsn != std::exchange(jsn, log_.durable_jsn());
    return wait(busy ? std::clamp(2 * piece_ns, rest_min_ns, rest_max_ns) : 0);
  };
  log::BackupSource source{disk_, clock_, dir_, [this] { return log_.durable_point(); }, world::real_random().next()};
  auto made = log::write_backup(std::move(source), order.to, std::move(watch));
  status.state = made ? "done" : "failed";
  if (made) {
    status.jsn = made->jsn.value;
    log_info("backup.done", {{"backup.to", order.to}, {"log.jsn", made->jsn.value}});
  } else {
    status.error = made.error().message, status.hint = made.error().hint;
    log_error("backup.failed", {{"backup.to", order.to}, {"error.message", made.error().text()}});
  }
  tell(status);
}

}  // namespace tidemill::app
