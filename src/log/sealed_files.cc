#include "log/sealed_files.h"

#include <fmt/core.h>

#include "log/journal_files.h"

namespace tidemill::log {

Result<std::shared_ptr<world::File>> SealedFiles::file(std::uint64_t number) {
  {
    std::lock_guard hold(mutex_);
    for (auto at = files_.begin(); at != files_.end(); ++at)
      if (at->first == number) {
        files_.splice(files_.begin(), files_, at);
        return at->second;
      }
  }
  TRY_ASSIGN(opened, disk_.open(journal_path(dir_, number), world::Open::read));
  std::shared_ptr<world::File> shared = std::move(opened);
  remember_file(number, shared);
  return shared;
}

void SealedFiles::remember_file(std::uint64_t number, std::shared_ptr<world::File> file) {
  std::lock_guard hold(mutex_);
  std::erase_if(files_, [&](auto& known) { return known.first == number; });
  files_.emplace_front(number, std::move(file));
  if (files_.size() > files_max) files_.pop_back();
}

void SealedFiles::remember_rebuilt(const Footer& footer, std::string pages) {
  std::lock_guard hold(mutex_);
  rebuilt_[footer.number] = {footer, std::make_shared<const std::string>(std::move(pages))};
  for (auto at = pages_.begin(); at != pages_.end();) {
    bool stale = at->first.number == footer.number;
    if (stale) page_at_.erase(at->first);
    at = stale ? pages_.erase(at) : std::next(at);
  }
}

bool SealedFiles::is_rebuilt(std::uint64_t number) const {
  std::lock_guard hold(mutex_);
  return rebuilt_.contains(number);
}

std::vector<std::uint64_t> SealedFiles::take_bad() {
  std::lock_guard hold(mutex_);
  return std::exchange(bad_, {});
}

Footer SealedFiles::current(const Footer& footer) const {
  std::lock_guard hold(mutex_);
  auto found = rebuilt_.find(footer.number);
  return found == rebuilt_.end() ? footer : found->second.footer;
}

Result<std::shared_ptr<const std::string>> SealedFiles::rebuilt_pages(const Footer& seal) const {
  auto found = rebuilt_.find(seal.number);
  if (found == rebuilt_.end()) return std::shared_ptr<const std::string>{};
  auto& [footer, pages] = found->second;
  if (footer.data_end == seal.data_end && footer.tables == seal.tables) return pages;
  return fail(Code::corrupt, fmt::format("the seal of journal file {} was made again meanwhile", seal.number), "read again");
}

Result<SealedFiles::Page> SealedFiles::page(const Footer& seal, PageKind kind, std::uint32_t number) {
  PageKey key{seal.number, seal.table(kind).position + number * block_bytes, false};
  {
    std::lock_guard hold(mutex_);
    TRY_ASSIGN(rebuilt, rebuilt_pages(seal));
    key.rebuilt = rebuilt != nullptr;
    if (auto found = page_at_.find(key); found != page_at_.end()) {
      pages_.splice(pages_.begin(), pages_, found->second);
      return found->second->second;
    }
  }
  TRY_ASSIGN(loaded, load(seal, kind, number, key.position));
  std::lock_guard hold(mutex_);
  if (page_at_.contains(key) || key.rebuilt != rebuilt_.contains(seal.number)) return loaded;
  pages_.emplace_front(key, loaded);
  page_at_[key] = pages_.begin();
  if (pages_.size() > pages_max) {
    page_at_.erase(pages_.back().first);
    pages_.pop_back();
  }
  return loaded;
}

Result<SealedFiles::Page> SealedFiles::load(const Footer& seal, PageKind kind, std::uint32_t number, std::uint64_t position) {
  std::shared_ptr<const std::string> rebuilt;
  {
    std::lock_guard hold(mutex_);
    TRY_ASSIGN(pages, rebuilt_pages(seal));
    rebuilt = std::move(pages);
  }
  std::string bytes;
  if (rebuilt) {
    if (auto at = position - seal.data_end; at < rebuilt->size()) bytes = rebuilt->substr(at, block_bytes);
  } else {
    TRY_ASSIGN(source, file(seal.number));
    bytes.resize(block_bytes);
    auto count = source->read_at(position, std::as_writable_bytes(std::span(bytes)));
    bytes.resize(count ? *count : 0);  // what cannot be read is as good as damaged
  }
  if (auto rows = check_page(as_bytes(bytes), kind, number, seal.salt); !rows) {
    std::lock_guard hold(mutex_);
    if (std::find(bad_.begin(), bad_.end(), seal.number) == bad_.end()) bad_.push_back(seal.number);
    return rows.error();
  }
  return std::make_shared<const std::string>(std::move(bytes));
}

}  // namespace tidemill::log
