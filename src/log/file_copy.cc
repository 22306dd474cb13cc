#include "log/file_copy.h"

#include <algorithm>

#include "bytes/crc32c.h"
#include "bytes/slice.h"
#include "log/segment_scan.h"

namespace tidemill::log {
namespace {

constexpr std::uint64_t piece_bytes = 1u << 20;
constexpr std::uint64_t sync_bytes = 16u << 20;  // so that what is copied does not pile up before the disk

}  // namespace

template <class Take>
Result<std::uint32_t> FileCopy::read(const world::File& from, std::uint64_t bytes, Take take) {
  std::uint32_t crc = 0;
  std::string piece;
  for (std::uint64_t at = 0; at < bytes; at += piece.size()) {
    auto begun = clock_.monotonic_ns();
    piece.resize(std::min(piece_bytes, bytes - at));
    auto got = read_around_bad_blocks(from, at, std::as_writable_bytes(std::span(piece)));
    if (got != piece.size()) return fail(Code::io, "a file became shorter while it was copied");
    crc = crc32c(as_bytes(piece), crc);
    TRY(take(at, as_bytes(piece)));
    done_ += piece.size();
    watch_.progress(done_, std::max(done_, all_));
    if (!watch_.pause(clock_.monotonic_ns() - begun)) return fail(Code::cancelled, "the copy was given up");
  }
  return crc;
}

Result<BackupFile> FileCopy::copy(const world::File& from, std::uint64_t bytes, std::uint64_t file_bytes, const std::string& folder, const std::string& path) {
  made_.push_back(folder + "/" + path);
  TRY_ASSIGN(to, disk_.open(made_.back(), world::Open::create));
  std::uint64_t unsynced = 0;
  auto write = [&](std::uint64_t at, std::span<const std::byte> piece) -> Result<void> {
    TRY(to->write_at(at, piece));
    unsynced += piece.size();
    if (unsynced < sync_bytes) return {};
    unsynced = 0;
    return to->sync_data();
  };
  TRY_ASSIGN(crc, read(from, bytes, write));
  static const std::string zeros(piece_bytes, '\0');
  for (auto at = bytes; at < file_bytes; at += std::min(piece_bytes, file_bytes - at)) {
    auto piece = as_bytes(zeros).first(std::min(piece_bytes, file_bytes - at));
    crc = crc32c(piece, crc);
    TRY(write(at, piece));  // real blocks: a full disk is met here, and not when the log goes on in this file
  }
  TRY(to->sync_data());
  return BackupFile{path, file_bytes, crc};
}

Result<BackupFile> FileCopy::sum(const world::File& file, const std::string& path) {
  TRY_ASSIGN(bytes, file.size());
  TRY_ASSIGN(crc, read(file, bytes, [](auto, auto) -> Result<void> { return {}; }));
  return BackupFile{path, bytes, crc};
}

Result<BackupFile> FileCopy::link(const std::string& from, const std::string& folder, const std::string& path) {
  TRY_ASSIGN(file, disk_.open(from, world::Open::read));
  TRY_ASSIGN(bytes, file->size());
  auto to = folder + "/" + path;
  if (!watch_.link(from, to)) return copy(*file, bytes, bytes, folder, path);
  made_.push_back(to);
  return sum(*file, path);
}

}  // namespace tidemill::log
