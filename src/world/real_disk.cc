// Disk over Linux system calls. Every error names the file and what the system said.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "world/real.h"

namespace tidemill::world {
namespace {

Code code_of(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT: return Code::full;
    case ENOENT: return Code::not_found;
    case EEXIST: return Code::already_exists;
    case EACCES:
    case EPERM:
    case EROFS: return Code::refused;
    case EWOULDBLOCK: return Code::busy;
    case EMFILE:
    case ENFILE: return Code::unavailable;  // no descriptors left: nothing is wrong with the disk
    default: return Code::io;
  }
}

std::string hint_of(int error) {
  switch (code_of(error)) {
    case Code::full: return "free some space on this file system";
    case Code::refused: return "check the owner and the permissions";
    default: return {};
  }
}

Error system_error(int error, std::string_view doing, const std::string& path) {
  return fail(code_of(error), fmt::format("cannot {} {}: {}", doing, path, strerrordesc_np(error)), hint_of(error));
}

// Repeats a system call that a signal has interrupted.
template <class Call>
auto unbroken(Call call) {
  for (;;) {
    auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Descriptor() { if (fd_ >= 0) ::close(fd_); }
  int get() const { return fd_; }

 private:
  int fd_;
};

Result<Descriptor> open_descriptor(const std::string& path, int flags) {
  int fd = unbroken([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0600); });
  if (fd < 0) return system_error(errno, "open", path);
  return Descriptor(fd);
}

class RealFile final : public File {
 public:
  RealFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<void> write_at(std::uint64_t position, std::span<const std::byte> bytes) override {
    iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    return write_all(position, std::span(&part, 1));
  }

  Result<void> write_at(std::uint64_t position, std::span<const std::span<const std::byte>> parts) override {
    std::vector<iovec> vectors;
    vectors.reserve(parts.size());
    for (auto part : parts) vectors.push_back({const_cast<std::byte*>(part.data()), part.size()});
    return write_all(position, vectors);
  }

  Result<std::size_t> read_at(std::uint64_t position, std::span<std::byte> out) const override {
    std::size_t got = 0;
    while (got < out.size()) {
      auto n = unbroken([&] { return ::pread(fd_.get(), out.data() + got, out.size() - got, static_cast<off_t>(position + got)); });
      if (n < 0) return system_error(errno, "read", path_);
      if (n == 0) break;
      got += static_cast<std::size_t>(n);
    }
    return got;
  }

  Result<void> sync_data() override {
    // Not repeated, not even after EINTR: the kernel may have dropped the pages that it failed to write.
    if (::fdatasync(fd_.get()) != 0) return system_error(errno, "sync", path_);
    return {};
  }

  Result<std::uint64_t> size() const override {
    struct stat info{};
    if (::fstat(fd_.get(), &info) != 0) return system_error(errno, "stat", path_);
    return static_cast<std::uint64_t>(info.st_size);
  }

  Result<void> truncate(std::uint64_t size) override {
    if (unbroken([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); }) != 0) return system_error(errno, "truncate", path_);
    return {};
  }

 private:
  Result<void> write_all(std::uint64_t position, std::span<iovec> parts) {
    while (!parts.empty()) {
      auto count = static_cast<int>(std::min<std::size_t>(parts.size(), IOV_MAX));
      auto n = unbroken([&] { return ::pwritev(fd_.get(), parts.data(), count, static_cast<off_t>(position)); });
      if (n < 0) return system_error(errno, "write", path_);
      position += static_cast<std::uint64_t>(n);
      parts = without_first(parts, static_cast<std::size_t>(n));
    }
    return {};
  }

  static std::span<iovec> without_first(std::span<iovec> parts, std::size_t bytes) {
    while (!parts.empty() && bytes >= parts.front().iov_len) {
      bytes -= parts.front().iov_len;
      parts = parts.subspan(1);
    }
    if (bytes == 0) return parts;
    parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + bytes;
    parts.front().iov_len -= bytes;
    return parts;
  }

  Descriptor fd_;
  std::string path_;
};

std::string folder_of(const std::string& path) {
  auto slash = path.find_last_not_of('/');
  slash = slash == std::string::npos ? slash : path.rfind('/', slash);
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

class RealDisk final : public Disk {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, Open how) override {
    int flags = how == Open::read ? O_RDONLY : how == Open::write ? O_RDWR : O_RDWR | O_CREAT;
    TRY_ASSIGN(fd, open_descriptor(path, flags));
    return std::make_unique<RealFile>(std::move(fd), path);
  }

  Result<void> remove(const std::string& path) override {
    if (::remove(path.c_str()) != 0) return system_error(errno, "remove", path);
    return {};
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return system_error(errno, "rename", from);
    return {};
  }

  Result<void> sync_dir(const std::string& path) override {
    TRY_ASSIGN(fd, open_descriptor(path, O_RDONLY | O_DIRECTORY));
    if (::fsync(fd.get()) != 0) return system_error(errno, "sync", path);
    return {};
  }

  Result<std::vector<std::string>> list(const std::string& path) override {
    std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), ::closedir);
    if (!dir) return system_error(errno, "list", path);
    std::vector<std::string> names;
    errno = 0;
    while (auto* entry = ::readdir(dir.get())) {
      std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(std::move(name));
    }
    if (errno != 0) return system_error(errno, "list", path);
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<void> make_dirs(const std::string& path) override {
    struct stat info{};
    if (::stat(path.c_str(), &info) == 0) {
      if (S_ISDIR(info.st_mode)) return {};
      return fail(Code::already_exists, fmt::format("{} is not a folder", path));
    }
    if (errno != ENOENT) return system_error(errno, "stat", path);
    auto parent = folder_of(path);
    TRY(make_dirs(parent));
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return system_error(errno, "make folder", path);
    return sync_dir(parent);
  }

  Result<bool> exists(const std::string& path) override {
    if (::access(path.c_str(), F_OK) == 0) return true;
    if (errno == ENOENT) return false;
    return system_error(errno, "look for", path);
  }

  Result<std::uint64_t> free_bytes(const std::string& path) override {
    struct statvfs info{};
    if (::statvfs(path.c_str(), &info) != 0) return system_error(errno, "measure", path);
    return static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  }

  Result<std::shared_ptr<void>> lock(const std::string& path) override {
    TRY_ASSIGN(fd, open_descriptor(path, O_RDWR | O_CREAT));
    if (unbroken([&] { return ::flock(fd.get(), LOCK_EX | LOCK_NB); }) != 0) {
      if (errno == EWOULDBLOCK) return fail(Code::busy, fmt::format("{} is locked by another process", path), "stop the other one first");
      return system_error(errno, "lock", path);
    }
    return std::shared_ptr<void>(std::make_shared<Descriptor>(std::move(fd)));
  }
};

}  // namespace

Disk& real_disk() {
  static RealDisk disk;
  return disk;
}

}  // namespace tidemill::world
