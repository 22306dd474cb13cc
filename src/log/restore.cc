// From a backup to a new log.
#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "bytes/crc32c.h"
#include "log/backup.h"
#include "log/file_copy.h"
#include "log/scan.h"

namespace tidemill::log {
namespace {

constexpr std::size_t list_bytes_max = std::size_t{1} << 30;

constexpr std::size_t group_crc_at = 4, group_flags_at = 10, group_crc_end = 8;

// Of a whole group; its checksum follows.
void patch_group_flags(std::string& group, std::uint16_t flags) {
  std::memcpy(group.data() + group_flags_at, &flags, sizeof flags);
  auto crc = crc32c(as_bytes(group).subspan(group_crc_end));
  std::memcpy(group.data() + group_crc_at, &crc, sizeof crc);
}

std::string parent_of(const std::string& path) {
  auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

class Restore {
 public:
  Restore(world::Disk& disk, world::Clock& clock, const std::string& from, const std::string& dir, CopyWatch watch)
      : disk_(disk), from_(from), dir_(dir), draft_(dir + ".restoring"), copy_(disk, clock, std::move(watch)) {}

  Result<BackupList> run(std::optional<Jsn> last) {
    TRY(check_place());
    TRY(read_list());
    TRY_ASSIGN(end, end_of(last));
    TRY(disk_.make_dirs(journal_folder(draft_)));
    TRY(disk_.make_dirs(segments_folder(draft_)));
    auto made = make(end);
    if (!made) remove_all();
    if (!made) return made.error();
    list_.jsn = end;
    return std::move(list_);
  }

 private:
  Result<void> check_place() {
    auto names = disk_.list(dir_);
    if (!names && names.error().code != Code::not_found) return names.error();
    if (names && !names->empty()) return fail(Code::already_exists, fmt::format("\"{}\" is not empty", dir_), "name a folder that does not exist, or is empty");
    TRY_ASSIGN(draft, disk_.exists(draft_));
    if (draft) return fail(Code::already_exists, fmt::format("\"{}\" is there: another restore is running, or was cut off", draft_), "remove it when none is running");
    return {};
  }

  Result<void> read_list() {
    auto text = world::read_file(disk_, from_ + "/backup", list_bytes_max);
    if (!text && text.error().code == Code::not_found)
      return fail(Code::not_found, fmt::format("\"{}\" is not a backup: it has no file `backup`", from_), "a backup that was cut off has none; take another");
    if (!text) return text.error();
    TRY_ASSIGN(list, decode_backup_list(*text));
    list_ = std::move(list);
    return {};
  }

  Result<Jsn> end_of(std::optional<Jsn> last) const {
    auto end = last.value_or(list_.jsn);
    if (end >= list_.earliest && end <= list_.jsn) return end;
    return fail(Code::out_of_range, fmt::format("the backup cannot be cut behind group {}", end.value),
                fmt::format("--to-jsn takes {} to {}: groups before are sorted already, those behind came after the backup", list_.earliest.value, list_.jsn.value));
  }

  Result<void> make(Jsn end) {
    for (auto& file : list_.files) copy_.expect(file.bytes);
    for (auto& file : list_.files) TRY(take(file));
    TRY(cut(end));
    for (auto& folder : {journal_folder(draft_), segments_folder(draft_), draft_}) TRY(disk_.sync_dir(folder));
    TRY(disk_.rename(draft_, dir_));
    return disk_.sync_dir(parent_of(dir_));
  }

  Result<void> take(const BackupFile& file) {
    auto from = disk_.open(from_ + "/" + file.path, world::Open::read);
    if (!from) return fail(from.error().code, fmt::format("{} of the backup cannot be read: {}", file.path, from.error().message), "nothing was restored");
    TRY_ASSIGN(bytes, (*from)->size());
    TRY_ASSIGN(copied, copy_.copy(**from, bytes, bytes, draft_, file.path));
    if (copied.bytes == file.bytes && copied.crc == file.crc) return {};
    return fail(Code::corrupt, fmt::format("{} of the backup is damaged", file.path), "nothing was restored; use another backup, or another copy of this file");
  }

  // Leaves nothing behind group `end`, and no sign of a clean stop: what was there may go on elsewhere, so the leader epoch has to rise.
  Result<void> cut(Jsn end) {
    std::vector<std::uint64_t> numbers;
    for (auto& file : list_.files)
      if (file.path.starts_with("journal/")) numbers.push_back(*number_of_journal_name(file.path.substr(file.path.find('/') + 1)));
    std::sort(numbers.begin(), numbers.end());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      TRY_ASSIGN(more, cut_file(numbers[i], end));
      if (more && i + 1 < numbers.size()) continue;
      for (++i; i < numbers.size(); ++i) TRY(disk_.remove(journal_path(draft_, numbers[i])));
    }
    return {};
  }

  // False when the log ends in this file.
  Result<bool> cut_file(std::uint64_t number, Jsn end) {
    TRY_ASSIGN(file, disk_.open(journal_path(draft_, number), world::Open::write));
    TRY_ASSIGN(bytes, file->size());
    if (auto footer = footer_of(*file, bytes); footer && footer->number == number && footer->next_jsn <= end + 1) return true;
    std::string block(block_bytes, '\0');
    TRY_ASSIGN(got, file->read_at(0, std::as_writable_bytes(std::span(block))));
    auto header = got == block_bytes ? decode_file_header(as_bytes(block)) : Result<FileHeader>(fail(Code::corrupt, "too short"));
    FileScan scan(*file, bytes, header ? std::optional(header->salt) : std::nullopt);
    std::optional<std::uint64_t> last;
    auto position = block_bytes;
    for (auto group = scan.next(position); group && group->group.header.jsn <= end; group = scan.next(position)) {
      last = group->position;
      position = group->end();
    }
    TRY(write_zeros(*file, position, bytes));
    if (last) TRY(forget_stop(*file, scan, *last));
    TRY(file->sync_data());
    return false;
  }

  static std::optional<Footer> footer_of(const world::File& file, std::uint64_t bytes) {
    if (bytes < 2 * block_bytes) return std::nullopt;
    std::string block(block_bytes, '\0');
    auto got = file.read_at(bytes / block_bytes * block_bytes - block_bytes, std::as_writable_bytes(std::span(block)));
    auto footer = got && *got == block_bytes ? decode_footer(as_bytes(block)) : Result<Footer>(fail(Code::corrupt, "unreadable"));
    return footer ? std::optional(*footer) : std::nullopt;
  }

  static Result<void> write_zeros(world::File& file, std::uint64_t from, std::uint64_t to) {
    static const std::string zeros(std::size_t{1} << 20, '\0');
    for (; from < to; from += std::min<std::uint64_t>(zeros.size(), to - from)) TRY(file.write_at(from, as_bytes(zeros).first(std::min<std::uint64_t>(zeros.size(), to - from))));
    return {};
  }

  static Result<void> forget_stop(world::File& file, FileScan& scan, std::uint64_t position) {
    auto group = scan.at(position);
    if (!group || !(group->group.header.flags & group_ends_run)) return {};
    std::string bytes(reinterpret_cast<const char*>(group->bytes.data()), group->bytes.size());
    patch_group_flags(bytes, static_cast<std::uint16_t>(group->group.header.flags & ~group_ends_run));
    return file.write_at(position, as_bytes(bytes));
  }

  void remove_all() {
    for (auto& path : copy_.made()) (void)disk_.remove(path);
    for (auto& path : {journal_folder(draft_), segments_folder(draft_), draft_}) (void)disk_.remove(path);
  }

  world::Disk& disk_;
  const std::string& from_;
  const std::string& dir_;
  std::string draft_;
  FileCopy copy_;
  BackupList list_;
};

}  // namespace

Result<BackupList> restore_backup(world::Disk& disk, world::Clock& clock, const std::string& from, const std::string& dir, std::optional<Jsn> last, CopyWatch watch) {
  return Restore(disk, clock, from, dir, std::move(watch)).run(last);
}

}  // namespace tidemill::log
