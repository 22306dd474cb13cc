// Copies files whole, in pieces, with their checksums; the steps of a backup and of its way back.
#pragma once

#include "log/backup.h"
#include "world/clock.h"
#include "world/disk.h"

namespace tidemill::log {

class FileCopy {
 public:
  FileCopy(world::Disk& disk, world::Clock& clock, CopyWatch watch) : disk_(disk), clock_(clock), watch_(std::move(watch)) {}

  void expect(std::uint64_t bytes) { all_ += bytes; }
  // The first `bytes` of the file, then zeros up to `file_bytes`. Synced. What the disk refuses to read becomes zeros.
  Result<BackupFile> copy(const world::File& from, std::uint64_t bytes, std::uint64_t file_bytes, const std::string& folder, const std::string& path);
  // The same file under a second name, or a copy of it.
  Result<BackupFile> link(const std::string& from, const std::string& folder, const std::string& path);
  // Checksum and size only.
  Result<BackupFile> sum(const world::File& file, const std::string& path);
  const std::vector<std::string>& made() const { return made_; }  // full paths

 private:
  template <class Take>
  Result<std::uint32_t> read(const world::File& from, std::uint64_t bytes, Take take);

  world::Disk& disk_;
  world::Clock& clock_;
  CopyWatch watch_;
  std::uint64_t done_ = 0, all_ = 0;
  std::vector<std::string> made_;
};

}  // namespace tidemill::log
