#include "world/disk.h"

#include <fmt/core.h>

namespace tidemill::world {

Result<std::string> read_file(Disk& disk, const std::string& path, std::size_t size_max) {
  TRY_ASSIGN(file, disk.open(path, Open::read));
  TRY_ASSIGN(size, file->size());
  if (size > size_max) return fail(Code::too_large, fmt::format("{} has {} bytes; at most {} are read", path, size, size_max));
  std::string text(size, '\0');
  TRY_ASSIGN(got, file->read_at(0, std::as_writable_bytes(std::span(text))));
  text.resize(got);
  return text;
}

Result<void> replace_file(Disk& disk, const std::string& path, std::string_view content) {
  auto draft = path + ".tmp";
  {
    TRY_ASSIGN(file, disk.open(draft, Open::create));
    TRY(file->truncate(0));
    TRY(file->write_at(0, std::as_bytes(std::span(content))));
    TRY(file->sync_data());
  }
  TRY(disk.rename(draft, path));
  auto slash = path.rfind('/');
  return disk.sync_dir(slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash));
}

}  // namespace tidemill::world
