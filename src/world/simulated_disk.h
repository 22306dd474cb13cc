// SimulatedDisk: a disk in memory that does what real ones do at the worst moment. Deterministic from its seed.
//
// It keeps the contract of world/disk.h and not more: until sync_data(), each sector (512 B) that was written may be on disk in any
// version since the last sync, or not at all; until sync_dir(), each create, remove and rename in a folder may have happened or not.
// power_loss() decides by the seed; kill() ends the process only and keeps the page cache. Both make every open File fail.
//
// Faults on request: everything fails after the n-th change (the moment of a crash); a write or sync fails once with Code::io, and
// what a failed sync did not write is then "clean" and lost, as Linux does it; a limit of space gives Code::full.
// Thread-safe, so that an engine with threads can run on it; only a single-threaded user gets the same trace twice.
#pragma once

#include <array>
#include <map>
#include <mutex>
#include <set>

#include "world/disk.h"

namespace tidemill::world {

class SimulatedDisk : public Disk {
 public:
  explicit SimulatedDisk(std::uint64_t seed);
  ~SimulatedDisk() override;

  Result<std::unique_ptr<File>> open(const std::string& path, Open how) override;
  Result<void> remove(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> sync_dir(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<void> make_dirs(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<std::uint64_t> free_bytes(const std::string& path) override;
  Result<std::shared_ptr<void>> lock(const std::string& path) override;

  void power_loss();
  void kill();

  // The n-th change from now (1 is the next) happens in part, and from then on everything fails until power_loss() or kill().
  void stop_at_change(std::uint64_t n);
  bool stopped() const;
  // The n-th write (sync) from now fails once with Code::io.
  void fail_write(std::uint64_t n);
  void fail_sync(std::uint64_t n);
  // At most so many bytes in all files; what would need more fails with Code::full. 0: no limit.
  void limit_space(std::uint64_t bytes);
  std::uint64_t used_bytes() const;

  // Turns bits of a file on disk, for tests of damage.
  void flip(const std::string& path, std::uint64_t position, std::byte mask);
  // All of a file as a reader would see it now.
  std::string content(const std::string& path) const;

  // Changes with every operation; equal traces mean equal runs.
  std::uint64_t trace() const;
  std::uint64_t syncs() const;

 private:
  static constexpr std::size_t sector_bytes = 512;
  using Sector = std::array<char, sector_bytes>;
  struct Version {
    std::uint64_t write;
    Sector bytes;
  };
  struct Inode {
    std::string current;                              // what a reader sees
    std::string durable;                              // what is on disk for sure
    std::map<std::uint64_t, std::vector<Version>> dirty;  // sector number to its versions since the last sync
    bool size_dirty = false;
  };
  struct NameChange {
    enum class Kind { made, removed, renamed } kind;
    std::string path, to;
    std::shared_ptr<Inode> inode;
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  class OpenFile;
  friend class OpenFile;

  Result<void> begin_change(std::string_view what, const std::string& path, std::uint64_t a, std::uint64_t b);
  Result<void> alive(std::uint64_t generation) const;
  Result<void> write(Inode& inode, const std::string& path, std::uint64_t position, std::span<const std::byte> bytes);
  Result<void> sync(Inode& inode, const std::string& path);
  void put(Inode& inode, std::uint64_t position, std::span<const std::byte> bytes);
  void settle(Inode& inode);
  void lose(Inode& inode);
  void lose_names();
  static void apply(Names& names, const NameChange& change);
  std::uint64_t random();
  bool chance(std::uint64_t percent) { return random() % 100 < percent; }
  void trace_in(std::uint64_t value);

  mutable std::mutex mutex_;
  std::uint64_t random_state_;
  std::uint64_t trace_ = 0;
  std::uint64_t generation_ = 1;  // open files of older ones are dead
  std::uint64_t write_number_ = 0;
  std::uint64_t stop_in_ = 0, fail_write_in_ = 0, fail_sync_in_ = 0;
  bool stopped_ = false;
  std::uint64_t space_ = 0;
  std::uint64_t syncs_ = 0;
  Names names_, durable_names_;
  std::vector<NameChange> name_changes_;
  std::set<std::string> folders_;
  std::map<std::string, std::weak_ptr<void>> locks_;
};

}  // namespace tidemill::world
