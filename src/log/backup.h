// Backup: a copy of a log as of one durable group, made while the log goes on; and a new log made of such a copy.
//
// What is copied is held (DurablePoint), so nothing in it is used again or removed meanwhile; nobody waits for the copy. Segments never change and
// may be linked. The manifest is written anew from what the copy has; the checkpoint is taken before the point, so it is never ahead of it. The
// file `backup` comes last: a folder without it is no backup (docs/formats/backup.md).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "log/view.h"

namespace tidemill::world {
class Clock;
class Disk;
}

namespace tidemill::log {

struct BackupFile {
  std::string path;  // below the folder
  std::uint64_t bytes = 0;
  std::uint32_t crc = 0;
};
struct BackupList {
  Jsn jsn;       // the last group in it
  Jsn earliest;  // a restore can end with any group from here to `jsn`
  std::int64_t time_ms = 0;
  std::vector<BackupFile> files;
};
std::string encode_backup_list(const BackupList& list);
// Code::corrupt, or Code::unsupported for a newer version.
Result<BackupList> decode_backup_list(std::string_view text);

struct CopyWatch {
  std::function<void(std::uint64_t done, std::uint64_t all)> progress = [](auto, auto) {};
  // Called after each piece of about a MiB, with how long that took: where a copy is gentle to others. False: give up.
  std::function<bool(std::int64_t piece_ns)> pause = [](auto) { return true; };
  // Gives a file a second name; one that fails means a copy.
  std::function<Result<void>(const std::string& from, const std::string& to)> link = [](auto&, auto&) -> Result<void> { return fail(Code::unsupported, "no links"); };
};

struct BackupSource {
  world::Disk& disk;
  world::Clock& clock;
  std::string dir;
  std::function<DurablePoint()> point;
  std::uint64_t salt = 0;  // random; of the manifest
};
// `to` must not exist. Any thread; takes as long as it takes. After an error there is nothing at `to`, as far as it can be removed.
Result<BackupList> write_backup(BackupSource source, const std::string& to, CopyWatch watch);

// Checks every file of the backup, and makes `dir` of it, which must be absent or empty; what lies behind group `last` is left out. The next
// start raises incarnation and leader epoch. Until all is there it is called DIR.restoring. Code::out_of_range: `last` is not possible.
Result<BackupList> restore_backup(world::Disk& disk, world::Clock& clock, const std::string& from, const std::string& dir, std::optional<Jsn> last, CopyWatch watch);

}  // namespace tidemill::log
