#include "log/paged_files.h"

namespace tidemill::log {

Result<std::shared_ptr<world::File>> PagedFiles::file(std::uint64_t number) {
  {
    std::lock_guard hold(mutex_);
    for (auto at = files_.begin(); at != files_.end(); ++at)
      if (at->first == number) {
        files_.splice(files_.begin(), files_, at);
        return at->second;
      }
  }
  TRY_ASSIGN(opened, disk_.open(path_of_(number), world::Open::read));
  std::shared_ptr<world::File> shared = std::move(opened);
  remember_file(number, shared);
  return shared;
}

void PagedFiles::remember_file(std::uint64_t number, std::shared_ptr<world::File> file) {
  std::lock_guard hold(mutex_);
  std::erase_if(files_, [&](auto& known) { return known.first == number; });
  files_.emplace_front(number, std::move(file));
  if (files_.size() > files_max) files_.pop_back();
}

void PagedFiles::forget(std::uint64_t number) {
  std::lock_guard hold(mutex_);
  std::erase_if(files_, [&](auto& known) { return known.first == number; });
  drop_pages(number);
}

void PagedFiles::forget_pages(std::uint64_t number) {
  std::lock_guard hold(mutex_);
  drop_pages(number);
}

// Linear; a file is forgotten or made again rarely.
void PagedFiles::drop_pages(std::uint64_t number) {
  for (auto at = pages_.begin(); at != pages_.end();) {
    bool goes = at->first.number == number;
    if (goes) page_at_.erase(at->first);
    at = goes ? pages_.erase(at) : std::next(at);
  }
}

PagedFiles::Page PagedFiles::find(const PageKey& key) {
  std::lock_guard hold(mutex_);
  auto found = page_at_.find(key);
  if (found == page_at_.end()) return nullptr;
  pages_.splice(pages_.begin(), pages_, found->second);
  return found->second->second;
}

void PagedFiles::keep(const PageKey& key, Page page) {
  std::lock_guard hold(mutex_);
  if (page_at_.contains(key)) return;
  pages_.emplace_front(key, std::move(page));
  page_at_[key] = pages_.begin();
  if (pages_.size() > pages_max) {
    page_at_.erase(pages_.back().first);
    pages_.pop_back();
  }
}

std::size_t PagedFiles::open_files() const {
  std::lock_guard hold(mutex_);
  return files_.size();
}

std::size_t PagedFiles::kept_pages() const {
  std::lock_guard hold(mutex_);
  return pages_.size();
}

}  // namespace tidemill::log
