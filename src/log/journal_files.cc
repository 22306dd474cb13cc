#include "log/journal_files.h"

#include <fmt/core.h>

#include <charconv>

#include "base/check.h"

namespace tidemill::log {
namespace {

constexpr std::uint64_t piece_bytes = 1u << 20;
constexpr std::uint64_t sync_every_bytes = 8u << 20;  // so that the log's own syncs never wait for all of it
constexpr std::size_t used_kept = 3;
constexpr std::string_view extension = ".journal";

}  // namespace

std::string journal_folder(const std::string& dir) { return dir + "/journal"; }
std::string journal_name(std::uint64_t number) { return fmt::format("{:016x}{}", number, extension); }
std::string journal_path(const std::string& dir, std::uint64_t number) { return journal_folder(dir) + "/" + journal_name(number); }

std::optional<std::uint64_t> number_of_journal_name(const std::string& name) {
  if (name.size() != 16 + extension.size() || !name.ends_with(extension)) return std::nullopt;
  std::uint64_t number = 0;
  auto [end, error] = std::from_chars(name.data(), name.data() + 16, number, 16);
  if (error != std::errc{} || end != name.data() + 16) return std::nullopt;
  return number;
}

void SpareMaker::want(FileHeader header) {
  CHECK(header.file_bytes % block_bytes == 0, "{}", header.file_bytes);
  {
    std::lock_guard hold(mutex_);
    wanted_ = header;
    finished_.reset();
  }
  if (on_want_) on_want_();
}

std::optional<Result<PreparedFile>> SpareMaker::take() {
  std::lock_guard hold(mutex_);
  return std::exchange(finished_, std::nullopt);
}

void SpareMaker::offer(std::uint64_t number) {
  std::lock_guard hold(mutex_);
  used_.push_back(number);
}

// More than a few used files are not worth their room.
bool SpareMaker::drop_surplus() {
  std::unique_lock hold(mutex_);
  if (used_.size() <= used_kept) return false;
  auto number = used_.front();
  used_.pop_front();
  hold.unlock();
  (void)disk_.remove(journal_path(dir_, number));  // one that stays is offered again by the next start
  return true;
}

bool SpareMaker::step() {
  if (!making_) {
    if (drop_surplus()) return true;
    std::lock_guard hold(mutex_);
    making_ = std::exchange(wanted_, std::nullopt);
    if (!making_) return false;
  }
  auto more = advance();
  if (!more) {
    file_.reset();
    (void)disk_.remove(journal_path(dir_, making_->number) + ".tmp");  // gives the room back; harmless when it fails
    end(std::move(more).error());
  } else if (!*more) {
    end(PreparedFile{*making_, std::move(file_), making_->file_bytes});
  }
  return true;
}

void SpareMaker::end(Result<PreparedFile> result) {
  std::lock_guard hold(mutex_);
  making_.reset();
  file_.reset();
  if (!wanted_) finished_.emplace(std::move(result));
}

Result<bool> SpareMaker::advance() {
  if (!file_) {
    TRY(begin());
    return true;
  }
  if (written_ < making_->file_bytes) {
    static const std::string zeros(piece_bytes, '\0');
    auto piece = std::min(piece_bytes, making_->file_bytes - written_);
    TRY(file_->write_at(written_, as_bytes(zeros).first(piece)));
    written_ += piece;
    if (written_ - synced_ >= sync_every_bytes) {
      TRY(file_->sync_data());
      synced_ = written_;
    }
    return true;
  }
  TRY(finish());
  return false;
}

// Takes a used file, when there is one of the right size.
Result<bool> SpareMaker::begin_with_used() {
  std::optional<std::uint64_t> number;
  {
    std::lock_guard hold(mutex_);
    if (used_.empty()) return false;
    number = used_.front();
    used_.pop_front();
  }
  auto old = journal_path(dir_, *number);
  auto path = journal_path(dir_, making_->number) + ".tmp";
  auto file = disk_.open(old, world::Open::write);
  if (!file) return false;  // it may be gone
  TRY_ASSIGN(bytes, (*file)->size());
  if (bytes != making_->file_bytes) {
    TRY(disk_.remove(old));
    return false;
  }
  TRY(disk_.rename(old, path));
  TRY((*file)->write_at(0, as_bytes(encode_file_header(*making_))));
  file_ = std::move(*file);
  written_ = synced_ = bytes;
  return true;
}

Result<void> SpareMaker::begin() {
  TRY_ASSIGN(reused, begin_with_used());
  if (reused) return {};
  auto path = journal_path(dir_, making_->number) + ".tmp";
  TRY_ASSIGN(file, disk_.open(path, world::Open::create));
  TRY(file->truncate(0));
  file_ = std::move(file);
  auto header = encode_file_header(*making_);
  TRY(file_->write_at(0, as_bytes(header)));
  written_ = header.size();
  synced_ = 0;
  return {};
}

Result<void> SpareMaker::finish() {
  auto path = journal_path(dir_, making_->number);
  TRY(file_->sync_data());
  TRY(disk_.rename(path + ".tmp", path));
  return sync_folder_ ? disk_.sync_dir(journal_folder(dir_)) : Result<void>{};
}

}  // namespace tidemill::log
