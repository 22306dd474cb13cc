#include "log/backup.h"

#include <fmt/core.h>

#include <algorithm>

#include "log/checkpoint.h"
#include "log/file_copy.h"

namespace tidemill::log {
namespace {

constexpr int attempts_max = 20;

class Backup {
 public:
  Backup(BackupSource source, const std::string& to, CopyWatch watch)
      : source_(std::move(source)), disk_(source_.disk), to_(to), copy_(disk_, source_.clock, std::move(watch)) {}

  Result<BackupList> run() {
    TRY_ASSIGN(there, disk_.exists(to_));
    if (there) return fail(Code::already_exists, fmt::format("\"{}\" is there already", to_), "name a folder that does not exist");
    auto done = write();
    if (!done) remove_all();
    if (!done) return done.error();
    return std::move(list_);
  }

 private:
  Result<void> write() {
    TRY(disk_.make_dirs(journal_folder(to_)));
    TRY(disk_.make_dirs(segments_folder(to_)));
    TRY(take_point());
    for (auto& file : point_.tiers->sealed)
      if (file.number > last_copied_) TRY(copy_sealed(file.number));
    TRY(copy_open());
    TRY(copy_segments());
    TRY(write_own_manifest());
    list_.jsn = point_.jsn;
    list_.time_ms = source_.clock.now_ms();
    for (auto& folder : {journal_folder(to_), segments_folder(to_)}) TRY(disk_.sync_dir(folder));
    return world::replace_file(disk_, to_ + "/backup", encode_backup_list(list_));
  }

  // Files behind the checkpoint that are sorted already are needed for what they say of streams and producers, and nobody holds them: when
  // one is used again meanwhile, there is a newer checkpoint that covers it.
  Result<void> take_point() {
    for (int attempt = 0; attempt < attempts_max; ++attempt) {
      list_.files.clear();
      TRY(copy_checkpoint());
      point_ = source_.point();
      TRY(note_open());
      auto first_held = !point_.tiers->sealed.empty() ? point_.tiers->sealed.front().number : point_.open_file ? open_.number : checkpoint_.journal_file + 1;
      first_file_ = std::min(checkpoint_.journal_file + 1, first_held);
      last_copied_ = 0;
      TRY_ASSIGN(whole, copy_uncovered(checkpoint_.journal_file + 1, first_held));
      if (whole) return {};
    }
    return fail(Code::unavailable, "the log's files changed faster than they could be copied", "try again when less is written");
  }

  Result<void> copy_checkpoint() {
    checkpoint_ = {};
    auto file = disk_.open(checkpoint_path(source_.dir), world::Open::read);
    if (!file && file.error().code == Code::not_found) return {};
    if (!file) return file.error();
    TRY_ASSIGN(bytes, (*file)->size());
    (void)disk_.remove(checkpoint_path(to_));  // an earlier attempt's
    TRY_ASSIGN(copied, copy_.copy(**file, bytes, bytes, to_, "segments/checkpoint"));
    TRY_ASSIGN(reader, TableReader::open(disk_, checkpoint_path(to_)));
    checkpoint_ = facts_of(reader);
    list_.files.push_back(std::move(copied));
    return {};
  }

  Result<void> note_open() {
    open_ = {};
    if (!point_.open_file) return {};
    std::string block(block_bytes, '\0');
    TRY_ASSIGN(got, point_.open_file->read_at(0, std::as_writable_bytes(std::span(block))));
    block.resize(got);
    TRY_ASSIGN(header, decode_file_header(as_bytes(block)));
    open_ = header;
    return {};
  }

  // False: one has gone.
  Result<bool> copy_uncovered(std::uint64_t from, std::uint64_t to) {
    for (auto number = from; number < to; ++number) {
      auto copied = copy_sealed(number);
      if (!copied && copied.error().code != Code::not_found) return copied.error();
      TRY_ASSIGN(there, disk_.exists(journal_path(source_.dir, number)));  // one that is used again is renamed before anything in it changes
      if (there && copied) continue;
      for (auto& file : list_.files)
        if (file.path.starts_with("journal/")) (void)disk_.remove(to_ + "/" + file.path);
      (void)disk_.remove(journal_path(to_, number));
      return false;
    }
    return true;
  }

  Result<void> copy_sealed(std::uint64_t number) {
    TRY_ASSIGN(file, disk_.open(journal_path(source_.dir, number), world::Open::read));
    TRY_ASSIGN(bytes, file->size());
    TRY_ASSIGN(copied, copy_.copy(*file, bytes, bytes, to_, "journal/" + journal_name(number)));
    list_.files.push_back(std::move(copied));
    last_copied_ = number;
    return {};
  }

  // Without what was written since, and what an earlier life has left in it.
  Result<void> copy_open() {
    if (!point_.open_file) return {};
    TRY_ASSIGN(copied, copy_.copy(*point_.open_file, point_.open_end, open_.file_bytes, to_, "journal/" + journal_name(open_.number)));
    list_.files.push_back(std::move(copied));
    return {};
  }

  // One that is missing is missing in the backup as well, and its manifest says so: the rest is worth having.
  Result<void> copy_segments() {
    for (auto& run : point_.tiers->runs)
      for (auto& segment : run.segments) copy_.expect(segment.file_bytes);
    for (auto& run : point_.tiers->runs)
      for (auto& segment : run.segments) {
        auto copied = copy_.link(segment_path(source_.dir, segment.number), to_, "segments/" + segment_name(segment.number));
        if (copied) list_.files.push_back(std::move(*copied));
        else if (copied.error().code != Code::not_found) return copied.error();
      }
    return {};
  }

  Result<void> write_own_manifest() {
    Manifest manifest;
    manifest.sorted = point_.tiers->first_group;
    manifest.first_file = first_file_;
    // Segments without what marks behind a group have removed say nothing of the time before it.
    auto changed_to = std::max(manifest.sorted, checkpoint_.next);
    for (auto& run : point_.tiers->runs)
      for (auto& segment : run.segments) {
        manifest.segments.push_back(segment);
        manifest.next_segment = std::max(manifest.next_segment, segment.number + 1);
        changed_to = std::max(changed_to, segment.purged_to);
      }
    list_.earliest = std::clamp(changed_to - 1, std::min(Jsn{1}, point_.jsn), point_.jsn);
    TRY(write_manifest(disk_, to_, manifest, source_.salt));
    TRY_ASSIGN(file, disk_.open(manifest_path(to_), world::Open::read));
    TRY_ASSIGN(sum, copy_.sum(*file, "segments/manifest"));
    list_.files.push_back(std::move(sum));
    return {};
  }

  void remove_all() {
    for (auto& path : copy_.made()) (void)disk_.remove(path);
    for (auto path : {manifest_path(to_), manifest_path(to_) + ".tmp", to_ + "/backup.tmp", to_ + "/backup", journal_folder(to_), segments_folder(to_), to_}) (void)disk_.remove(path);
  }

  BackupSource source_;
  world::Disk& disk_;
  const std::string& to_;
  FileCopy copy_;
  BackupList list_;
  DurablePoint point_;
  FileHeader open_;
  CheckpointFacts checkpoint_;
  std::uint64_t first_file_ = 0, last_copied_ = 0;
};

}  // namespace

Result<BackupList> write_backup(BackupSource source, const std::string& to, CopyWatch watch) {
  return Backup(std::move(source), to, std::move(watch)).run();
}

}  // namespace tidemill::log
