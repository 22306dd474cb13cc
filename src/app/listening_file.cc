#include "app/listening_file.h"

#include <mutex>

#include "observe/log.h"

namespace tidemill::app {

struct ListeningFile::Inside : std::enable_shared_from_this<Inside> {
  Inside(world::Disk& d, std::string p) : disk(d), path(std::move(p)) {}

  Result<void> write() { return world::replace_file(disk, path, text); }

  void write_later(world::Loop& loop) {
    loop.run_after(std::chrono::seconds(1), [self = shared_from_this(), &loop] { self->write_again(loop); });
  }

  void write_again(world::Loop& loop) {
    std::lock_guard hold(mutex);
    if (text.empty()) return;
    auto written = write();
    if (written) return log_info("listening.written", {{"file.path", path}});
    if (written.error().code != Code::full) return log_warn("listening.not_written", {{"error.message", written.error().text()}});
    write_later(loop);
  }

  world::Disk& disk;
  const std::string path;
  std::mutex mutex;  // for `text`, and for what happens to the file
  std::string text;  // empty: nothing is to be there
};

ListeningFile::ListeningFile(world::Disk& disk, const std::string& dir) : inside_(std::make_shared<Inside>(disk, dir + "/listening.json")) { withdraw(); }
ListeningFile::~ListeningFile() { withdraw(); }

Result<void> ListeningFile::publish(const std::map<std::string, world::Address>& addresses, world::Loop& loop) {
  std::string text = "{";
  for (auto& [name, address] : addresses) text += (text.size() > 1 ? ",\"" : "\"") + name + "\":\"" + address.text() + "\"";
  std::lock_guard hold(inside_->mutex);
  inside_->text = text + "}\n";
  auto written = inside_->write();
  if (written || written.error().code != Code::full) return written;
  log_warn("listening.not_written", {{"error.message", written.error().text()}});
  loop.post([inside = inside_, &loop] { inside->write_later(loop); });
  return {};
}

void ListeningFile::withdraw() {
  std::lock_guard hold(inside_->mutex);
  inside_->text.clear();
  if (auto there = inside_->disk.exists(inside_->path); !there || !*there) return;
  // A file that cannot be removed misleads nobody for long: the addresses in it do not answer.
  auto ignored = inside_->disk.remove(inside_->path);
  (void)ignored;
}

}  // namespace tidemill::app
