// The door to the disk: the few operations that a log needs, each blocking, each able to fail.
//
// What a crash leaves behind (the real disk's contract, and what the simulated disk does on purpose): bytes are durable only
// after sync_data() on their file; a created, renamed or removed name only after sync_dir() on its folder; un-synced writes
// may be lost, torn or kept in any order, at sector (512 B) granularity. After a failed sync the file must not be trusted: never retry.
// Errors: Code::full (no space), Code::not_found, Code::busy (lock), Code::refused (permission), Code::unavailable
// (no descriptor left), Code::io (everything else).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace tidemill::world {

// An open file. One owner; reads may come from any thread, also while the owner writes.
class File {
 public:
  virtual ~File() = default;
  // Writes all of it or fails.
  virtual Result<void> write_at(std::uint64_t position, std::span<const std::byte> bytes) = 0;
  // Writes all parts in order, contiguously from `position`.
  virtual Result<void> write_at(std::uint64_t position, std::span<const std::span<const std::byte>> parts) = 0;
  // Reads up to out.size() bytes; fewer only at the end of the file.
  virtual Result<std::size_t> read_at(std::uint64_t position, std::span<std::byte> out) const = 0;
  virtual Result<void> sync_data() = 0;  // fdatasync
  virtual Result<std::uint64_t> size() const = 0;
  virtual Result<void> truncate(std::uint64_t size) = 0;
};

enum class Open { read, write, create };  // write: must exist; create: made if missing

class Disk {
 public:
  virtual ~Disk() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, Open how) = 0;
  virtual Result<void> remove(const std::string& path) = 0;
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> sync_dir(const std::string& path) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;  // names, sorted; no . and ..
  virtual Result<void> make_dirs(const std::string& path) = 0;                 // mode 0700; syncs what it makes
  virtual Result<bool> exists(const std::string& path) = 0;
  virtual Result<std::uint64_t> free_bytes(const std::string& path) = 0;
  // Holds an exclusive lock on the file at `path` until the returned object goes; Code::busy when another process has it.
  virtual Result<std::shared_ptr<void>> lock(const std::string& path) = 0;
};

// Whole-file reading, and replacing a small file so that after a crash either the old or the new content is there, whole:
// write path.tmp, sync, rename, sync the folder.
Result<std::string> read_file(Disk& disk, const std::string& path, std::size_t size_max);
Result<void> replace_file(Disk& disk, const std::string& path, std::string_view content);

}  // namespace tidemill::world
