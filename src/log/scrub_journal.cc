// How a scrub reads a sealed journal file.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "log/scan.h"
#include "log/scrub_files.h"
#include "record/batch.h"

namespace tidemill::log {
namespace {

// All that a seal says of its file's groups.
struct SealRows {
  std::vector<GroupRow> groups;
  std::vector<BatchRow> batches;  // by stream and offset
};

Result<SealRows> rows_of(SealedFiles& files, const Footer& seal) {
  TRY_ASSIGN(groups, files.all_rows<GroupRow>(seal));
  TRY_ASSIGN(batches, files.all_rows<BatchRow>(seal));
  return SealRows{std::move(groups), std::move(batches)};
}

bool same(const GroupRow& a, const GroupRow& b) {
  return a.jsn == b.jsn && a.position == b.position && a.time_ms == b.time_ms && a.length == b.length && a.entries == b.entries && a.leader_epoch == b.leader_epoch;
}
bool same(const BatchRow& a, const BatchRow& b) {
  return a.stream == b.stream && a.base == b.base && a.max_timestamp == b.max_timestamp && a.group == b.group && a.index == b.index && a.at == b.at &&
         a.length == b.length && a.records == b.records;
}

class GroupCheck {
 public:
  GroupCheck(const world::File& file, const Footer& seal, SealRows rows, Jsn from, ScrubNotes& notes)
      : scan_(file, seal.data_end, seal.salt), seal_(seal), rows_(std::move(rows)), from_(from), notes_(notes), next_(seal.first_jsn) {}

  void run() {
    for (auto position = block_bytes; position < seal_.data_end;) {
      auto found = next_good(position);
      auto until = found ? found->position : seal_.data_end;
      if (until != position) pass(position, until);
      if (!found) break;
      take(*found);
      position = found->end();
      notes_.read(position - until);
    }
    if (complete_) compare();
  }

 private:
  bool follows(const FoundGroup& found) const {
    auto& header = found.group.header;
    return header.jsn >= next_ && header.jsn < seal_.next_jsn && header.incarnation >= incarnation_;
  }
  std::optional<FoundGroup> next_good(std::uint64_t position) {
    auto found = scan_.at(position);
    if (found && found->group.header.jsn == next_ && follows(*found)) return found;
    // Only one at the expected place may continue where damage was passed at an earlier start; JSNs then jump.
    for (; position < seal_.data_end; position += block_bytes) {
      found = scan_.at(position);
      if (found && follows(*found)) return found;
    }
    return std::nullopt;
  }

  void take(const FoundGroup& found) {
    auto& [header, entries, at, marks] = found.group;
    if (header.jsn != next_ && complete_) pass(found.position, found.position);
    auto ordinal = static_cast<std::uint32_t>(seen_.groups.size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
      auto batch = record::read_header(found.bytes.subspan(at[i], entries[i].length));
      if (!batch || batch->total_bytes() != entries[i].length || batch->records_count < 1) {
        notes_.damage(journal_file_below(seal_.number), found.position + at[i], entries[i].length, "a batch under a good checksum makes no sense");
        continue;
      }
      BatchRow row{entries[i].stream, entries[i].base, batch->max_timestamp, ordinal, static_cast<std::uint32_t>(i), at[i], entries[i].length,
                   static_cast<std::uint32_t>(batch->records_count)};
      if (header.jsn >= from_ && !notes_.chains.add({row.stream, row.base, row.end()})) doubled(found.position, row);
      seen_.batches.push_back(row);
    }
    seen_.groups.push_back({header.jsn, found.position, header.time_ms, header.length, static_cast<std::uint32_t>(entries.size()), header.leader_epoch});
    ++notes_.report.groups;
    notes_.report.batches += entries.size();
    next_ = header.jsn + 1;
    incarnation_ = header.incarnation;
  }

  void doubled(std::uint64_t position, const BatchRow& row) {
    notes_.add({Finding::Kind::damage, journal_file_below(seal_.number), position, 0, "offsets are there twice", {{row.stream, row.base, row.end()}}});
  }

  // What lies in [from, to) is bad; the seal may know what it was.
  void pass(std::uint64_t from, std::uint64_t to) {
    complete_ = false;
    Finding finding{Finding::Kind::damage, journal_file_below(seal_.number), from, to - from, "groups fail their checksum or are missing", {}};
    if (seal_.next_jsn <= from_) finding.what += "; what could be read of this file is in segments already";
    for (auto& row : rows_.batches) {
      auto& group = rows_.groups[std::min<std::size_t>(row.group, rows_.groups.size() - 1)];
      if (group.position < from || group.position >= to || group.jsn < from_) continue;
      if (!finding.lost.empty() && finding.lost.back().stream == row.stream && finding.lost.back().to == row.base) finding.lost.back().to = row.end();
      else finding.lost.push_back({row.stream, row.base, row.end()});
    }
    for (auto& range : finding.lost) (void)notes_.chains.add(range);  // told once
    notes_.add(std::move(finding));
  }

  void compare() {
    std::sort(seen_.batches.begin(), seen_.batches.end(), [](auto& a, auto& b) { return std::pair(a.stream, a.base) < std::pair(b.stream, b.base); });
    auto equal = [](auto& a, auto& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](auto& x, auto& y) { return same(x, y); }); };
    if (next_ != seal_.next_jsn || !equal(seen_.groups, rows_.groups) || !equal(seen_.batches, rows_.batches))
      notes_.damage(journal_file_below(seal_.number), seal_.data_end, 0, "the seal says something else than the groups");
  }

  FileScan scan_;
  const Footer& seal_;
  SealRows rows_, seen_;
  Jsn from_;
  ScrubNotes& notes_;
  Jsn next_;
  Incarnation incarnation_;
  bool complete_ = true;
};

}  // namespace

bool check_own_seal(const world::File& file, const FileHeader& header, ScrubNotes& notes) {
  auto name = journal_file_below(header.number);
  auto footer_at = header.file_bytes - block_bytes;
  auto footer = decode_footer(as_bytes(scrubbed_block(file, footer_at)));
  if (!footer || footer->number != header.number || footer->salt != header.salt || footer->data_end > footer_at) {
    notes.damage(name, footer_at, block_bytes, "the seal's footer is missing or fails its checksum; a start makes the seal again from the groups");
    return false;
  }
  std::array<std::uint64_t, page_kinds> pages{pages_for<BatchRow>(footer->tables[0].rows), pages_for<GroupRow>(footer->tables[1].rows),
                                              pages_for<StreamRow>(footer->tables[2].rows), pages_for<ProducerRow>(footer->tables[3].rows)};
  bool good = true;
  auto position = footer->data_end;
  for (std::size_t kind = 0; kind < page_kinds; ++kind)
    for (std::uint32_t number = 0; number < pages[kind] && position < footer_at; ++number, position += block_bytes) {
      if (check_page(as_bytes(scrubbed_block(file, position)), static_cast<PageKind>(kind + 1), number, header.salt)) continue;
      notes.damage(name, position, block_bytes, "a page of the seal fails its checksum; it is made again from the groups when it is read");
      good = false;
    }
  notes.read(footer_at - footer->data_end);
  return good;
}

Result<void> check_groups(SealedFiles& files, const Footer& seal, Jsn from, ScrubNotes& notes) {
  TRY_ASSIGN(file, files.file(seal.number));
  TRY_ASSIGN(rows, rows_of(files, seal));
  GroupCheck(*file, seal, std::move(rows), from, notes).run();
  return {};
}

}  // namespace tidemill::log
