// PagedFiles: immutable files known by number, few of them open, and a bounded cache of their 4 KiB pages. Thread-safe.
//
// It knows nothing of what is in a page: who puts one in has checked it. A page is found again by file, position and `life`, so
// that what was read before a file's pages were made again is never mistaken for what came after.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/result.h"
#include "world/disk.h"

namespace tidemill::log {

class PagedFiles {
 public:
  using Page = std::shared_ptr<const std::string>;
  struct PageKey {
    std::uint64_t number = 0, position = 0, life = 0;
    bool operator==(const PageKey&) const = default;
  };

  PagedFiles(world::Disk& disk, std::function<std::string(std::uint64_t)> path_of) : disk_(disk), path_of_(std::move(path_of)) {}

  Result<std::shared_ptr<world::File>> file(std::uint64_t number);
  void remember_file(std::uint64_t number, std::shared_ptr<world::File> file);
  // Closes the file as soon as nobody reads it any more, and drops its pages.
  void forget(std::uint64_t number);
  void forget_pages(std::uint64_t number);

  Page find(const PageKey& key);  // null when it is not kept
  void keep(const PageKey& key, Page page);

  std::size_t open_files() const;
  std::size_t kept_pages() const;

 private:
  static constexpr std::size_t files_max = 128;
  static constexpr std::size_t pages_max = 4096;  // 16 MiB
  struct PageKeyHash {
    std::size_t operator()(const PageKey& k) const noexcept { return (k.number * 0x9E3779B97F4A7C15ull) ^ (k.position >> 12); }
  };
  using Pages = std::list<std::pair<PageKey, Page>>;

  void drop_pages(std::uint64_t number);

  world::Disk& disk_;
  std::function<std::string(std::uint64_t)> path_of_;
  mutable std::mutex mutex_;
  std::list<std::pair<std::uint64_t, std::shared_ptr<world::File>>> files_;  // most recently used first
  Pages pages_;
  std::unordered_map<PageKey, Pages::iterator, PageKeyHash> page_at_;
};

}  // namespace tidemill::log
