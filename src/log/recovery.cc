#include "log/recovery.h"

#include <fmt/core.h>

#include "log/replay.h"

namespace tidemill::log {
namespace {

// A journal file as it is found, before anything in it is believed.
struct Known {
  std::uint64_t number = 0;
  std::shared_ptr<world::File> file;  // kept open only while there is no good footer
  std::uint64_t bytes = 0;
  std::optional<FileHeader> header;
  std::optional<Footer> footer;

  std::optional<std::uint64_t> salt() const { return header ? std::optional(header->salt) : std::nullopt; }
};

std::optional<std::string> read_block(const world::File& file, std::uint64_t position) {
  std::string block(block_bytes, '\0');
  auto got = file.read_at(position, std::as_writable_bytes(std::span(block)));
  if (!got || *got != block_bytes) return std::nullopt;
  return block;
}

bool plausible(const Footer& footer, const Known& known) {
  if (footer.number != known.number || footer.data_end < block_bytes || footer.data_end > known.bytes) return false;
  std::uint64_t pages[] = {pages_for<BatchRow>(footer.tables[0].rows), pages_for<GroupRow>(footer.tables[1].rows),
                           pages_for<StreamRow>(footer.tables[2].rows), pages_for<ProducerRow>(footer.tables[3].rows)};
  auto position = footer.data_end;
  for (std::size_t i = 0; i < page_kinds; ++i) {
    if (footer.tables[i].position != position || pages[i] > known.bytes / block_bytes) return false;
    position += pages[i] * block_bytes;
  }
  return position <= known.bytes;
}

Result<Known> inspect(world::Disk& disk, const std::string& dir, std::uint64_t number) {
  Known known;
  known.number = number;
  TRY_ASSIGN(file, disk.open(journal_path(dir, number), world::Open::write));
  known.file = std::move(file);
  TRY_ASSIGN(bytes, known.file->size());
  known.bytes = bytes / block_bytes * block_bytes;
  auto block = read_block(*known.file, 0);
  auto header = block ? decode_file_header(as_bytes(*block)) : Result<FileHeader>(fail(Code::corrupt, "unreadable"));
  if (!header && header.error().code == Code::unsupported) return header.error();
  if (header && header->number == number) known.header = *header;
  if (known.bytes < 2 * block_bytes) return known;
  auto last = read_block(*known.file, known.bytes - block_bytes);
  auto footer = last ? decode_footer(as_bytes(*last)) : Result<Footer>(fail(Code::corrupt, "unreadable"));
  bool salted = footer && (!known.header || footer->salt == known.header->salt);
  if (salted && plausible(*footer, known)) {
    known.footer = *footer;
    known.file.reset();
  }
  return known;
}

class Recovery {
 public:
  Recovery(world::Disk& disk, const std::string& dir, SealedFiles& sealed, RecoveryFlaw flaw)
      : disk_(disk), dir_(dir), sealed_(sealed), flaw_(flaw) {}

  Result<Recovered> run() {
    TRY(find_files());
    auto first_unsealed = load_newest_seal();
    TRY(keep_sealed(first_unsealed));
    TRY(replay_rest(first_unsealed));
    state_.report.incarnation = state_.incarnation;
    state_.report.leader_epoch = state_.leader_epoch;
    return std::move(state_);
  }

 private:
  Result<void> find_files() {
    TRY_ASSIGN(names, disk_.list(journal_folder(dir_)));
    std::uint64_t expected = 1;
    for (auto& name : names) {
      auto number = number_of_journal_name(name);
      if (!number) continue;
      TRY_ASSIGN(known, inspect(disk_, dir_, *number));
      if (*number != expected) report_missing(expected, *number);
      if (!known.header) report(*number, 0, block_bytes, "the file's header fails its checksum");
      expected = *number + 1;
      files_.push_back(std::move(known));
    }
    state_.report.files = files_.size();
    state_.next_number = expected;
    return {};
  }

  void report(std::uint64_t file, std::uint64_t position, std::uint64_t bytes, std::string what) {
    state_.report.corruption.push_back({file, position, bytes, Jsn{}, Jsn{}, std::move(what)});
  }
  void report_missing(std::uint64_t from, std::uint64_t to) {
    report(from, 0, 0, fmt::format("{} journal file(s) before {} are missing", to - from, journal_name(to)));
  }

  Result<void> load_checkpoint(const Footer& footer, Recovered& into) {
    TRY_ASSIGN(streams, sealed_.all_rows<StreamRow>(footer));
    TRY_ASSIGN(producers, sealed_.all_rows<ProducerRow>(footer));
    into.streams.reserve(streams.size());
    for (auto& row : streams) into.streams[row.stream] = {row.end, row.max_timestamp, row.tenant};
    for (auto& row : producers) into.producers.restore(row.key, row.window);
    into.next = footer.next_jsn;
    into.incarnation = footer.incarnation;
    into.leader_epoch = footer.leader_epoch;
    return {};
  }

  // A seal is good when every page is; a crash while sealing may have left the footer and not the rest.
  Result<void> check_index(const Footer& footer) {
    TRY_ASSIGN(batches, sealed_.all_rows<BatchRow>(footer));
    TRY_ASSIGN(groups, sealed_.all_rows<GroupRow>(footer));
    return {};
  }

  // Index of the first file whose groups must be read.
  std::size_t load_newest_seal() {
    for (auto i = files_.size(); i-- > 0;) {
      if (!files_[i].footer) continue;
      Recovered loaded;
      if (check_index(*files_[i].footer) && load_checkpoint(*files_[i].footer, loaded)) {
        loaded.report = std::move(state_.report);
        loaded.next_number = state_.next_number;
        state_ = std::move(loaded);
        return i + 1;
      }
      files_[i].footer.reset();
    }
    return 0;
  }

  Result<FileScan> scan_of(Known& known) {
    if (!known.file) {
      TRY_ASSIGN(file, disk_.open(journal_path(dir_, known.number), world::Open::write));
      known.file = std::move(file);
    }
    return FileScan(*known.file, known.bytes, known.salt());
  }

  // The first JSN of file i + 1; what is in file i before it was durable.
  std::optional<Jsn> jsn_behind(std::size_t i) {
    if (i + 1 >= files_.size()) return std::nullopt;
    if (files_[i + 1].footer) return files_[i + 1].footer->first_jsn;
    auto scan = scan_of(files_[i + 1]);
    auto first = scan ? scan->at(block_bytes) : std::nullopt;
    return first ? std::optional(first->group.header.jsn) : std::nullopt;
  }

  // Gives a file that has no good seal one that lives in memory.
  Result<void> rebuild(std::size_t i, Recovered& state) {
    TRY_ASSIGN(scan, scan_of(files_[i]));
    auto replay = Replay(state, flaw_).read(scan, files_[i].number, true, jsn_behind(i));
    remember_rebuilt(files_[i], replay, scan, state);
    return {};
  }

  void remember_rebuilt(Known& known, FileReplay& replay, const FileScan& scan, const Recovered& state) {
    Footer footer;
    footer.number = known.number;
    footer.salt = scan.salt().value_or(0);
    footer.data_end = replay.end;
    footer.first_jsn = replay.first_jsn;
    footer.next_jsn = state.next;
    footer.incarnation = state.incarnation;
    footer.leader_epoch = state.leader_epoch;
    SealContent content;
    content.batches.assign(replay.rows.batches.begin(), replay.rows.batches.end());
    content.groups = std::move(replay.rows.groups);
    for (auto& [id, s] : state.streams) content.streams.push_back({id, s.end, s.max_timestamp, s.tenant});
    for (auto& [key, window] : state.producers.windows()) content.producers.push_back({key, window});
    auto pages = encode_seal(content, footer);
    sealed_.remember_rebuilt(footer, std::move(pages));
    state_.sealed.push_back(footer);
    ++state_.report.seals_rebuilt;
  }

  // Files before the newest good seal: their seals are believed page by page when read, a missing one is made again.
  Result<void> keep_sealed(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      if (files_[i].footer) {
        state_.sealed.push_back(*files_[i].footer);
        continue;
      }
      Recovered before;
      if (!state_.sealed.empty()) TRY(load_checkpoint(state_.sealed.back(), before));
      TRY(rebuild(i, before));
      auto& found = before.report.corruption;
      std::move(found.begin(), found.end(), std::back_inserter(state_.report.corruption));
    }
    return {};
  }

  Result<void> replay_rest(std::size_t first) {
    auto open = first;  // the last file that holds anything
    for (auto i = first; i < files_.size(); ++i) {
      TRY_ASSIGN(scan, scan_of(files_[i]));
      if (scan.anything_from(block_bytes)) open = i;
    }
    if (open >= files_.size()) return {};
    for (auto i = first; i < open; ++i) TRY(rebuild(i, state_));
    TRY(replay_open(files_[open]));
    if (open + 1 < files_.size() && files_[open + 1].header)
      state_.spare = PreparedFile{*files_[open + 1].header, files_[open + 1].file, files_[open + 1].bytes};
    return {};
  }

  Result<void> replay_open(Known& known) {
    TRY_ASSIGN(scan, scan_of(known));
    auto replay = Replay(state_, flaw_).read(scan, known.number, false, std::nullopt);
    if (!replay.end_known || !scan.salt()) {  // nobody knows where to go on in it
      remember_rebuilt(known, replay, scan, state_);
      return {};
    }
    state_.open = OpenFile{known.number, *scan.salt(), known.bytes, replay.end, known.file};
    state_.rows = std::move(replay.rows);
    return {};
  }

  world::Disk& disk_;
  const std::string& dir_;
  SealedFiles& sealed_;
  RecoveryFlaw flaw_;
  std::vector<Known> files_;
  Recovered state_;
};

}  // namespace

Result<Recovered> recover(world::Disk& disk, const std::string& dir, SealedFiles& sealed_files, RecoveryFlaw flaw) {
  return Recovery(disk, dir, sealed_files, flaw).run();
}

}  // namespace tidemill::log
