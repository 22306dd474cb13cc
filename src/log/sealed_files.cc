#include "log/sealed_files.h"

#include <fmt/core.h>

#include "log/journal_files.h"

namespace tidemill::log {

SealedFiles::SealedFiles(world::Disk& disk, std::string dir)
    : files_(disk, [dir = std::move(dir)](std::uint64_t number) { return journal_path(dir, number); }) {}

void SealedFiles::remember_rebuilt(const Footer& footer, std::string pages) {
  {
    std::lock_guard hold(mutex_);
    auto& known = rebuilt_[footer.number];
    known = {footer, std::make_shared<const std::string>(std::move(pages)), known.life + 1};
  }
  files_.forget_pages(footer.number);
}

void SealedFiles::forget(std::uint64_t number) {
  {
    std::lock_guard hold(mutex_);
    rebuilt_.erase(number);
  }
  files_.forget(number);
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

Result<SealedFiles::Rebuilt> SealedFiles::rebuilt(const Footer& seal) const {
  std::lock_guard hold(mutex_);
  auto found = rebuilt_.find(seal.number);
  if (found == rebuilt_.end()) return Rebuilt{};
  auto& footer = found->second.footer;
  if (footer.data_end == seal.data_end && footer.tables == seal.tables) return found->second;
  return fail(Code::corrupt, fmt::format("the seal of journal file {} was made again meanwhile", seal.number), "read again");
}

Result<SealedFiles::Page> SealedFiles::page(const Footer& seal, PageKind kind, std::uint32_t number) {
  auto position = seal.table(kind).position + number * block_bytes;
  TRY_ASSIGN(made, rebuilt(seal));
  PagedFiles::PageKey key{seal.number, position, made.life};
  if (auto known = files_.find(key)) return known;
  TRY_ASSIGN(loaded, load(seal, kind, number, position));
  files_.keep(key, loaded);
  return loaded;
}

Result<SealedFiles::Page> SealedFiles::load(const Footer& seal, PageKind kind, std::uint32_t number, std::uint64_t position) {
  TRY_ASSIGN(made, rebuilt(seal));
  std::string bytes;
  if (made.pages) {
    if (auto at = position - seal.data_end; at < made.pages->size()) bytes = made.pages->substr(at, block_bytes);
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
