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
  // Files are made whole before they are used: what is missing at the end was taken away later.
  bool cut_short() const { return header && bytes < header->file_bytes; }
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

// What a file's seal says of streams and producers, into the state before it.
Result<void> merge_delta(SealedFiles& sealed, const Footer& footer, Recovered& into) {
  TRY_ASSIGN(streams, sealed.all_rows<StreamRow>(footer));
  TRY_ASSIGN(producers, sealed.all_rows<ProducerRow>(footer));
  for (auto& row : streams) into.streams[row.stream].merge(row.state);
  for (auto& row : producers) into.producers.merge(row.key, row.window);
  into.next = footer.next_jsn;
  into.incarnation = std::max(into.incarnation, footer.incarnation);
  into.leader_epoch = std::max(into.leader_epoch, footer.leader_epoch);
  into.clean = false;  // whether its last group ended a run is not looked at
  return {};
}

// The seal that a file should have, kept in memory. `state` is the log at the file's end.
Footer make_seal(SealedFiles& sealed, std::uint64_t number, FileReplay& replay, const FileScan& scan, Recovered& state) {
  Footer footer;
  footer.number = number;
  footer.salt = scan.salt().value_or(0);
  footer.data_end = replay.end;
  footer.first_jsn = replay.first_jsn;
  footer.next_jsn = state.next;
  footer.incarnation = state.incarnation;
  footer.leader_epoch = state.leader_epoch;
  SealContent content;
  content.batches.assign(replay.rows.batches.begin(), replay.rows.batches.end());
  content.streams = replay.rows.touched(state.streams);
  content.groups = std::move(replay.rows.groups);
  for (auto& key : state.producers.take_changed()) content.producers.push_back({key, state.producers.windows().at(key)});
  auto pages = encode_seal(content, footer);
  sealed.remember_rebuilt(footer, std::move(pages));
  return footer;
}

// The seal of a file of which nothing but the file is known: offsets are taken as its groups say them. Everything in it was durable.
Footer seal_alone(SealedFiles& sealed, std::uint64_t number, FileScan& scan, Jsn first, Jsn next, RecoveryReport& report) {
  Recovered state;
  state.damaged = true;
  state.next = first;
  auto replay = Replay(state, Flaw::none).read(scan, number, true, next);
  auto& found = state.report.corruption;
  std::move(found.begin(), found.end(), std::back_inserter(report.corruption));
  return make_seal(sealed, number, replay, scan, state);
}

template <class Row, class Call>
Result<void> for_each_row(TableReader& reader, std::size_t table, Call call) {
  for (TableCursor<Row> rows(reader, table);; rows.next()) {
    TRY_ASSIGN(row, rows.peek());
    if (!row) return {};
    call(*row);
  }
}

class Recovery {
 public:
  Recovery(world::Disk& disk, const std::string& dir, SealedFiles& sealed, Flaw flaw)
      : disk_(disk), dir_(dir), sealed_(sealed), flaw_(flaw) {}

  Result<Recovered> run() {
    TRY(load_state());
    TRY(find_files());
    auto first_unsealed = behind_newest_seal();
    TRY(merge_sealed(first_unsealed));
    TRY(replay_rest(first_unsealed));
    for (auto& [id, s] : state_.salvaged) state_.streams[id].merge(s);
    state_.incarnation = std::max(state_.incarnation, mentioned_);
    find_tiers();
    state_.report.incarnation = state_.incarnation;
    state_.report.leader_epoch = state_.leader_epoch;
    return std::move(state_);
  }

 private:
  // Manifest and checkpoint: what is known without the journal.
  Result<void> load_state() {
    TRY_ASSIGN(manifest, read_manifest(disk_, dir_, state_.manifest_damaged));
    if (manifest) state_.manifest = std::move(*manifest);
    else TRY(refuse_without_manifest());
    auto reader = TableReader::open(disk_, checkpoint_path(dir_));
    if (!reader && reader.error().code == Code::not_found) return refuse_without_checkpoint();
    if (!reader) return reader.error();
    state_.checkpoint = facts_of(*reader);
    state_.streams.reserve(state_.checkpoint.streams);
    TRY(for_each_row<StreamRow>(*reader, 0, [&](auto& row) { state_.streams[row.stream] = row.state; }));
    TRY(for_each_row<ProducerRow>(*reader, 1, [&](auto& row) { state_.producers.merge(row.key, row.window); }));
    state_.next = state_.checkpoint.next;
    state_.incarnation = state_.checkpoint.incarnation;
    state_.leader_epoch = state_.checkpoint.leader_epoch;
    state_.clean = false;
    return refuse_without_checkpoint();
  }

  // Segments that no manifest names are unfinished work, as long as the journal still has everything. Else they are all there is.
  Result<void> refuse_without_manifest() {
    auto names = disk_.list(segments_folder(dir_));
    bool segments = names && std::any_of(names->begin(), names->end(), [](auto& name) { return number_of_segment_name(name).has_value(); });
    TRY_ASSIGN(whole, disk_.exists(journal_path(dir_, 1)));
    if (!segments || whole) return {};
    return fail(Code::corrupt, fmt::format("\"{}\" is missing, and without it nobody knows which segments are alive", manifest_path(dir_)),
                "put it back from a backup of the whole directory; nothing was changed");
  }
  // Files before the manifest's first one took their deltas with them.
  Result<void> refuse_without_checkpoint() const {
    if (state_.manifest.first_file <= state_.checkpoint.journal_file + 1) return {};
    return fail(Code::corrupt, fmt::format("\"{}\" is missing or older than the manifest", checkpoint_path(dir_)),
                "put it back from a backup of the whole directory; nothing was changed");
  }

  // Files that are sorted need not be read: they are kept only for their deltas.
  void find_tiers() {
    state_.tiers.runs = runs_of(state_.manifest.segments);
    state_.tiers.first_group = state_.manifest.sorted;
    for (auto& footer : state_.sealed)
      if (footer.next_jsn > state_.manifest.sorted) state_.tiers.sealed.emplace_back(footer);
  }

  Result<void> find_files() {
    TRY(report_missing_segments());
    TRY_ASSIGN(names, disk_.list(journal_folder(dir_)));
    auto expected = state_.manifest.first_file;
    for (auto& name : names) {
      auto number = number_of_journal_name(name);
      if (!number) continue;
      if (*number < state_.manifest.first_file) {
        state_.leftover_files.push_back(*number);
        continue;
      }
      TRY_ASSIGN(known, inspect(disk_, dir_, *number));
      if (*number != expected) report_missing(expected, *number);
      if (!known.header) report(*number, 0, block_bytes, "the file's header fails its checksum");
      if (known.cut_short()) report(*number, known.bytes, known.header->file_bytes - known.bytes, "the file was cut short");
      if (known.header) mentioned_ = std::max(mentioned_, known.header->incarnation);
      if (known.footer) mentioned_ = std::max(mentioned_, known.footer->incarnation);
      expected = *number + 1;
      files_.push_back(std::move(known));
    }
    state_.report.files = files_.size();
    state_.next_number = expected;
    return {};
  }

  Result<void> report_missing_segments() {
    if (state_.manifest.segments.empty()) return {};
    TRY_ASSIGN(names, disk_.list(segments_folder(dir_)));
    for (auto& segment : state_.manifest.segments)
      if (!std::binary_search(names.begin(), names.end(), segment_name(segment.number)))
        report(segment.number, 0, segment.file_bytes, fmt::format("segment {} is missing", segment_name(segment.number)));
    return {};
  }

  void report(std::uint64_t file, std::uint64_t position, std::uint64_t bytes, std::string what) {
    state_.report.corruption.push_back({file, position, bytes, Jsn{}, Jsn{}, std::move(what)});
  }
  void report_missing(std::uint64_t from, std::uint64_t to) {
    report(from, 0, 0, fmt::format("{} journal file(s) before {} are missing", to - from, journal_name(to)));
  }

  // A seal is good when every page is; a crash while sealing may have left the footer and not the rest.
  bool good_seal(const Footer& footer) {
    return sealed_.all_rows<BatchRow>(footer) && sealed_.all_rows<GroupRow>(footer) && sealed_.all_rows<StreamRow>(footer) &&
           sealed_.all_rows<ProducerRow>(footer);
  }

  // Index of the first file whose groups must be read. Files before the newest good seal were synced before it was written.
  std::size_t behind_newest_seal() {
    for (auto i = files_.size(); i-- > 0;) {
      if (files_[i].footer && good_seal(*files_[i].footer)) return i + 1;
      files_[i].footer.reset();
      if (files_[i].number <= state_.checkpoint.journal_file) return i + 1;  // whatever became of its seal, the file was complete
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

  // A JSN before which everything in file i was durable, from the first group behind the file that can be read.
  std::optional<Jsn> jsn_behind(std::size_t i) {
    for (++i; i < files_.size(); ++i) {
      if (files_[i].footer) return files_[i].footer->first_jsn;
      auto scan = scan_of(files_[i]);
      auto first = scan ? scan->next(block_bytes) : std::nullopt;
      if (first) return first->position == block_bytes ? first->group.header.jsn : first->group.header.durable + 1;
    }
    return std::nullopt;
  }

  void note_missing_files(std::size_t i, Recovered& state) const {
    if (files_[i].number != (i == 0 ? state_.manifest.first_file : files_[i - 1].number + 1)) state.damaged = true;
  }

  // Gives a file that has no good seal one that lives in memory.
  Result<void> rebuild(std::size_t i, Recovered& state) {
    TRY_ASSIGN(scan, scan_of(files_[i]));
    note_missing_files(i, state);
    auto replay = Replay(state, flaw_).read(scan, files_[i].number, true, jsn_behind(i));
    remember_rebuilt(files_[i], replay, scan, state);
    return {};
  }

  // Nobody knows how many groups went with the end of the file, or of which streams. Their JSNs are not used again.
  static void pass_cut(const Known& known, const FileReplay& replay, Recovered& state) {
    state.clean = false;
    state.next += (known.header->file_bytes - replay.end) / block_bytes;
    state.damaged = true;
    state.damage_epoch = state.leader_epoch;
  }

  void remember_rebuilt(const Known& known, FileReplay& replay, const FileScan& scan, Recovered& state) {
    state_.sealed.push_back(make_seal(sealed_, known.number, replay, scan, state));
    ++state_.report.seals_rebuilt;
  }

  // Of files before the newest good seal the deltas are enough; the rest of a seal is believed page by page when it is read. A seal that
  // is missing, or whose delta is damaged, is made again.
  Result<void> merge_sealed(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      if (files_[i].number <= state_.checkpoint.journal_file) {
        TRY(keep_covered(i));
        continue;
      }
      note_missing_files(i, state_);
      if (files_[i].footer && merge_delta(sealed_, *files_[i].footer, state_)) state_.sealed.push_back(*files_[i].footer);
      else TRY(rebuild(i, state_));
    }
    return {};
  }

  Jsn end_of_covered(std::size_t i) {
    if (files_[i].number == state_.checkpoint.journal_file) return state_.checkpoint.next;
    return jsn_behind(i).value_or(state_.checkpoint.next);
  }

  // Of a file that the checkpoint covers only the index is of interest, which may have to be made again.
  Result<void> keep_covered(std::size_t i) {
    auto& known = files_[i];
    if (known.footer) {
      state_.sealed.push_back(*known.footer);
      return {};
    }
    TRY_ASSIGN(scan, scan_of(known));
    auto first = scan.next(block_bytes);
    if (!first) return {};  // nothing in it can be read; that it is missing shows when somebody reads it
    state_.sealed.push_back(seal_alone(sealed_, known.number, scan, first->group.header.jsn, end_of_covered(i), state_.report));
    ++state_.report.seals_rebuilt;
    return {};
  }

  Result<void> replay_rest(std::size_t first) {
    auto open = first;  // the last file that holds anything of its present life
    for (auto i = first; i < files_.size(); ++i) {
      TRY_ASSIGN(scan, scan_of(files_[i]));
      if (files_[i].cut_short() || scan.next_leftover(block_bytes)) open = i;
    }
    if (open >= files_.size()) return {};
    for (auto i = first; i < open; ++i) TRY(rebuild(i, state_));
    note_missing_files(open, state_);
    TRY(replay_open(files_[open]));
    for (auto i = open + 1; i < files_.size(); ++i)
      if (files_[i].header && files_[i].header->version == format_version) state_.spares.push_back({*files_[i].header, files_[i].file, files_[i].bytes});
    return {};
  }

  Result<void> replay_open(Known& known) {
    TRY_ASSIGN(scan, scan_of(known));
    auto replay = Replay(state_, flaw_).read(scan, known.number, known.cut_short(), std::nullopt);
    if (known.cut_short()) pass_cut(known, replay, state_);
    bool older = known.header && known.header->version != format_version;
    if (known.cut_short() || older || !replay.end_known || !scan.salt()) {  // nobody knows where to go on in it, or may
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
  Flaw flaw_;
  std::vector<Known> files_;
  Incarnation mentioned_;  // highest in any file's header or seal
  Recovered state_;
};

}  // namespace

Result<Recovered> recover(world::Disk& disk, const std::string& dir, SealedFiles& sealed_files, Flaw flaw) {
  return Recovery(disk, dir, sealed_files, flaw).run();
}

Result<void> rebuild_seal(SealedFiles& sealed_files, const Footer& seal) {
  if (sealed_files.is_rebuilt(seal.number)) return {};
  TRY_ASSIGN(file, sealed_files.file(seal.number));
  FileScan scan(*file, seal.data_end, seal.salt);
  RecoveryReport unused;
  seal_alone(sealed_files, seal.number, scan, seal.first_jsn, seal.next_jsn, unused);
  return {};
}

}  // namespace tidemill::log
