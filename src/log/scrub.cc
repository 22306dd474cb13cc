#include "log/scrub.h"

#include <fmt/core.h>

#include <algorithm>

#include "log/recovery.h"
#include "log/scrub_files.h"
#include "log/segment_files.h"

namespace tidemill::log {

std::string journal_file_below(std::uint64_t number) { return "journal/" + journal_name(number); }
std::string segment_file_below(std::uint64_t number) { return "segments/" + segment_name(number); }

std::string scrubbed_block(const world::File& file, std::uint64_t position) {
  std::string block(block_bytes, '\0');
  auto got = file.read_at(position, std::as_writable_bytes(std::span(block)));
  block.resize(got ? *got : 0);
  return block;
}

void ScrubNotes::add(Finding finding) {
  if (!finding.file.empty() && !told_.emplace(finding.file, finding.position).second) return;
  ++(finding.kind == Finding::Kind::damage ? report.damage : report.notes);
  watch_.found(finding);
}

namespace {

constexpr std::uint64_t manifest_rows_per_page = (block_bytes - page_header_bytes) / segment_info_bytes;
constexpr auto manifest_page = static_cast<PageKind>(33);

class Scrub {
 public:
  Scrub(world::Disk& disk, const std::string& dir, ScrubWatch watch) : disk_(disk), dir_(dir), notes_(std::move(watch)), sealed_(disk, dir) {}

  Result<ScrubReport> run() {
    TRY(list_files());
    TRY(check_table_file(disk_, manifest_path(dir_), "segments/manifest", {{manifest_page, manifest_rows_per_page}}, notes_));
    TRY(check_table_file(disk_, checkpoint_path(dir_), "segments/checkpoint",
                         {{PageKind::streams, rows_per_page<StreamRow>}, {PageKind::producers, rows_per_page<ProducerRow>}}, notes_));
    auto recovered = recover(disk_, dir_, sealed_);
    if (!recovered && recovered.error().code != Code::corrupt) return recovered.error();
    if (recovered) TRY(check_all(*recovered));
    else TRY(check_each_alone(recovered.error()));
    return notes_.report;
  }

 private:
  // ---- names

  Result<void> list_files() {
    auto journal = disk_.list(journal_folder(dir_));
    if (!journal) return fail(journal.error().code, fmt::format("there is no log in \"{}\": {}", dir_, journal.error().message), "--data takes the data directory");
    for (auto& name : *journal) {
      if (auto number = number_of_journal_name(name)) journal_files_.push_back(*number);
      else tell_strange("journal/" + name);
    }
    auto segments = disk_.list(segments_folder(dir_));
    if (!segments && segments.error().code == Code::not_found) return {};  // of a version without them, or a first start that was cut off
    if (!segments) return segments.error();
    for (auto& name : *segments) {
      if (auto number = number_of_segment_name(name)) segment_files_.push_back(*number);
      else if (name != "manifest" && name != "checkpoint") tell_strange("segments/" + name);
    }
    return {};
  }

  void tell_strange(const std::string& name) {
    if (name.ends_with(".damaged")) notes_.damage(name, 0, 0, "was put aside because damage was found in it; what could be read is in the log. Remove it when it is not needed any more");
    else if (name.ends_with(".tmp")) notes_.note(name, "was being made when the server ended; the next start removes it");
    else notes_.note(name, "is not a file of the log");
  }

  // ---- with the state that a start would have

  Result<void> check_all(const Recovered& state) {
    expect(state);
    for (auto& seal : state.sealed) TRY(check_sealed(seal, state.manifest.sorted));
    check_order(state);
    take_open(state);
    for (auto& segment : state.manifest.segments) TRY(check_segment(disk_, dir_, segment, notes_));
    check_names(state);
    tell_recovery(state.report);
    check_chains(state);
    return {};
  }

  void expect(const Recovered& state) {
    notes_.expect_bytes(notes_.report.bytes);
    for (auto& seal : state.sealed) notes_.expect_bytes(seal.data_end);
    for (auto& segment : state.manifest.segments) notes_.expect_bytes(segment.file_bytes);
  }

  Result<void> check_sealed(const Footer& seal, Jsn from) {
    auto number = seal.number;
    ++notes_.report.journal_files;
    TRY_ASSIGN(file, sealed_.file(number));
    TRY_ASSIGN(bytes, file->size());
    auto header = decode_file_header(as_bytes(scrubbed_block(*file, 0)));
    if (!header) notes_.damage(journal_file_below(number), 0, block_bytes, header.error().message);
    else if (header->number != number) notes_.damage(journal_file_below(number), 0, block_bytes, fmt::format("says that it is file {}", header->number));
    bool older = header && header->version != format_version;  // has a seal of another form, which is not read any more
    FileHeader known{.number = number, .salt = header ? header->salt : seal.salt, .file_bytes = bytes / block_bytes * block_bytes};
    if (!older && !check_own_seal(*file, known, notes_)) TRY(rebuild_seal(sealed_, seal));
    return check_groups(sealed_, sealed_.current(seal), from, notes_);
  }

  // Each file goes on where the one before it ends.
  void check_order(const Recovered& state) {
    for (std::size_t i = 1; i < state.sealed.size(); ++i) {
      auto& before = state.sealed[i - 1];
      auto& after = state.sealed[i];
      if (before.number + 1 == after.number && before.next_jsn != after.first_jsn)
        notes_.damage(journal_file_below(after.number), block_bytes, 0, fmt::format("begins with group {} and should with {}", after.first_jsn.value, before.next_jsn.value));
    }
    if (state.manifest.first_file > state.checkpoint.journal_file + 1)
      notes_.damage("segments/checkpoint", 0, 0, fmt::format("covers journal files to {} only, and those before {} are not needed any more", state.checkpoint.journal_file, state.manifest.first_file));
  }

  void take_open(const Recovered& state) {
    if (!state.open) return;
    ++notes_.report.journal_files;
    for (auto& row : state.rows.batches)
      if (state.rows.groups[row.group].jsn >= state.manifest.sorted && !notes_.chains.add({row.stream, row.base, row.end()}))
        notes_.add({Finding::Kind::damage, journal_file_below(state.open->number), state.rows.groups[row.group].position, 0, "offsets are there twice", {{row.stream, row.base, row.end()}}});
    notes_.report.groups += state.rows.groups.size();
    notes_.report.batches += state.rows.batches.size();
    notes_.read(state.open->position);
  }

  // What is there and nobody speaks of.
  void check_names(const Recovered& state) {
    for (auto number : segment_files_) {
      auto named = std::any_of(state.manifest.segments.begin(), state.manifest.segments.end(), [&](auto& s) { return s.number == number; });
      if (!named) notes_.note(segment_file_below(number), "is not in the manifest: unfinished or replaced, and the next start removes it");
    }
    for (auto number : journal_files_) {
      auto is = [number](auto& file) { return file.number == number; };
      bool known = number < state.manifest.first_file || std::any_of(state.sealed.begin(), state.sealed.end(), is) || (state.open && state.open->number == number) ||
                   std::any_of(state.spares.begin(), state.spares.end(), [&](auto& s) { return s.header.number == number; });
      if (!known) unreadable(number);
    }
  }

  // An older version's spare is left as it is; of a file whose header is good nothing else is missing.
  void unreadable(std::uint64_t number) {
    auto file = sealed_.file(number);
    if (file && decode_file_header(as_bytes(scrubbed_block(**file, 0)))) notes_.note(journal_file_below(number), "holds nothing that is used");
    else notes_.damage(journal_file_below(number), 0, block_bytes, "cannot be read");
  }

  void tell_recovery(const RecoveryReport& report) {
    for (auto& damage : report.corruption)
      if (!damage.what.starts_with("segment ")) notes_.damage(journal_file_below(damage.file), damage.position, damage.bytes, damage.what);
    if (report.tail_dropped)
      notes_.note("", fmt::format("what lies behind group {} of the journal was torn by a crash and is dropped, as it was not acknowledged", report.tail_from.value - 1));
  }

  // Every record of a stream is somewhere, from its start to its end.
  void check_chains(const Recovered& state) {
    state.streams.for_each([&](StreamId stream, const StreamState& known) {
      if (known.forgotten) return;
      ++notes_.report.streams;
      notes_.chains.missing(stream, known.start, known.end, [&](const OffsetRange& range) {
        notes_.add({Finding::Kind::damage, "", 0, 0, "records are missing", {range}});
      });
    });
    notes_.chains.for_each_end([&](StreamId stream, Offset end) {
      auto* known = state.streams.find(stream);
      if (!known || known->end < end)
        notes_.add({Finding::Kind::damage, "", 0, 0, "records are there behind the end that the log knows", {{stream, known ? known->end : Offset{0}, end}}});
    });
  }

  // ---- without it: each file by itself

  Result<void> check_each_alone(const Error& error) {
    notes_.damage("segments", 0, 0, fmt::format("a start refuses: {}", error.message));
    for (auto number : journal_files_) {
      TRY_ASSIGN(file, sealed_.file(number));
      TRY_ASSIGN(bytes, file->size());
      auto footer = decode_footer(as_bytes(scrubbed_block(*file, bytes < 2 * block_bytes ? 0 : bytes / block_bytes * block_bytes - block_bytes)));
      if (footer && footer->number == number) TRY(check_sealed(*footer, Jsn{std::numeric_limits<std::uint64_t>::max()}));
    }
    SegmentFiles files(disk_, dir_);
    for (auto number : segment_files_) {
      auto info = files.load_info(number);
      if (info) TRY(check_segment(disk_, dir_, *info, notes_));
      else notes_.damage(segment_file_below(number), 0, 0, info.error().message);
    }
    return {};
  }

  world::Disk& disk_;
  const std::string& dir_;
  ScrubNotes notes_;
  SealedFiles sealed_;
  std::vector<std::uint64_t> journal_files_, segment_files_;
};

}  // namespace

Result<ScrubReport> scrub(world::Disk& disk, const std::string& dir, ScrubWatch watch) { return Scrub(disk, dir, std::move(watch)).run(); }

}  // namespace tidemill::log
