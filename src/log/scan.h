// FileScan: finds groups in a journal file by looking. Reads ahead in large pieces; a part that cannot be read counts as bad.
#pragma once

#include <optional>
#include <string>

#include "log/format.h"
#include "world/disk.h"

namespace tidemill::log {

struct FoundGroup {
  std::uint64_t position = 0;
  DecodedGroup group;
  std::span<const std::byte> bytes;  // valid until the next call on the scan
  std::uint64_t end() const { return position + whole_blocks(group.header.length); }
};

class FileScan {
 public:
  // Without a salt (the file's header is bad) the first good group's is taken.
  FileScan(const world::File& file, std::uint64_t bytes, std::optional<std::uint64_t> salt)
      : file_(file), file_bytes_(bytes), salt_(salt) {}

  std::optional<FoundGroup> at(std::uint64_t position, Trust trust = Trust::checksum);
  // The first good group at or behind `position`, on any block.
  std::optional<FoundGroup> next(std::uint64_t position);
  // The first block at or behind `position` that cannot be read, or begins a group of this life of the file, whole or torn. Whatever
  // else lies there is of an earlier life.
  std::optional<std::uint64_t> next_leftover(std::uint64_t position);
  std::uint64_t file_bytes() const { return file_bytes_; }
  std::optional<std::uint64_t> salt() const { return salt_; }

 private:
  std::span<const std::byte> bytes(std::uint64_t position, std::uint64_t count);
  bool fill(std::uint64_t position, std::uint64_t count);

  const world::File& file_;
  std::uint64_t file_bytes_;
  std::optional<std::uint64_t> salt_;
  std::string window_;
  std::uint64_t window_at_ = 0;
};

}  // namespace tidemill::log
