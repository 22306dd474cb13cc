// The files of a journal: their names, and the one that is made ahead.
//
// SpareMaker prepares the next file so that a full disk is met here and nowhere else: header and zeros are written to NAME.tmp in
// small steps, synced, renamed, and the folder synced; only then does the log know of it. A file that is not needed any more saves the
// zeros: it is renamed to NAME.tmp and gets a new header; what lies behind it has another salt, and says nothing. One thread calls step() (the background
// thread, or a test by hand); the log core calls want() and take(). Files are only ever replaced, never shrunk.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "log/format.h"
#include "world/disk.h"

namespace tidemill::log {

std::string journal_folder(const std::string& dir);
std::string journal_name(std::uint64_t number);  // 16 hex digits and .journal
std::string journal_path(const std::string& dir, std::uint64_t number);
std::optional<std::uint64_t> number_of_journal_name(const std::string& name);

struct PreparedFile {
  FileHeader header;
  std::shared_ptr<world::File> file;
  std::uint64_t bytes = 0;
};

class SpareMaker {
 public:
  // `sync_folder` is false only where a simulation has to find that out.
  SpareMaker(world::Disk& disk, std::string dir, bool sync_folder = true) : disk_(disk), dir_(std::move(dir)), sync_folder_(sync_folder) {}

  // Asks for a file like this; an earlier wish is forgotten, and what was made for it is never handed out.
  void want(FileHeader header);
  // A journal file that nobody needs any more: its blocks become the next one of the same size, or it goes. Any thread.
  void offer(std::uint64_t number);
  // Called after each want(), on its thread; set before the first one.
  void on_want(std::move_only_function<void()> call) { on_want_ = std::move(call); }
  // Does a piece of the work (at most 1 MiB of writing); false when there is nothing to do.
  bool step();
  // The finished file or the reason why there is none; nothing while it is being made.
  std::optional<Result<PreparedFile>> take();

 private:
  Result<bool> advance();
  Result<void> begin();
  Result<bool> begin_with_used();
  bool drop_surplus();
  Result<void> finish();
  void end(Result<PreparedFile> result);

  world::Disk& disk_;
  std::string dir_;
  bool sync_folder_;
  std::move_only_function<void()> on_want_;
  std::mutex mutex_;
  std::optional<FileHeader> wanted_;
  std::optional<Result<PreparedFile>> finished_;
  std::deque<std::uint64_t> used_;
  // Below: the stepping thread's alone.
  std::optional<FileHeader> making_;
  std::shared_ptr<world::File> file_;
  std::uint64_t written_ = 0;
  std::uint64_t synced_ = 0;  // of what is written
};

}  // namespace tidemill::log
