// How a scrub reads a segment.
#include <fmt/core.h>

#include "log/scrub_files.h"
#include "log/segment_scan.h"

namespace tidemill::log {
namespace {

class SegmentCheck {
 public:
  SegmentCheck(std::shared_ptr<const world::File> file, const SegmentInfo& info, ScrubNotes& notes)
      : file_(std::move(file)), info_(info), name_(segment_file_below(info.number)), notes_(notes) {}

  void run() {
    ends();
    entries();
    index();
  }

 private:
  void damage(std::uint64_t position, std::uint64_t bytes, std::string what) { notes_.damage(name_, position, bytes, std::move(what)); }

  void ends() {
    auto header = decode_segment_header(as_bytes(scrubbed_block(*file_, 0)));
    if (!header) damage(0, block_bytes, header.error().message);
    else if (*header != static_cast<const SegmentIdentity&>(info_)) damage(0, block_bytes, "the header says something else than the manifest");
    auto at = info_.file_bytes - block_bytes;
    auto footer = decode_segment_footer(as_bytes(scrubbed_block(*file_, at)), info_.file_bytes);
    if (!footer) damage(at, block_bytes, footer.error().message);
    else if (*footer != info_) damage(at, block_bytes, "the footer says something else than the manifest");
  }

  void entries() {
    SegmentScan scan(file_, info_.number, info_.salt, {block_bytes, info_.data_end});
    auto read_to = block_bytes;
    while (scan.next()) {
      if (scan.position() != info_found_.data_end && found_ > 0) rows_.interrupt();
      take(scan.entry(), scan.position());
      (void)scan.batch();  // a bad one is among the damage
      tell(scan.take_damage());
      if (scan.position() - read_to >= SegmentScan::ahead_bytes) notes_.read(scan.position() - std::exchange(read_to, scan.position()));
    }
    tell(scan.take_damage());
    notes_.read(info_.data_end - std::min(read_to, info_.data_end));
    if (complete_ && (found_ != info_.entries || info_found_.data_end != info_.data_end)) damage(info_.data_end, 0, "there are more or fewer entries than the footer says");
  }

  void take(const SegmentEntry& entry, std::uint64_t position) {
    if (std::pair(entry.stream, entry.base) < before_) damage(position, entry.bytes(), "an entry is not in its order");
    if (entry.jsn < info_.from || entry.jsn >= info_.to) damage(position, entry.bytes(), "an entry is of a group that does not belong here");
    if (!notes_.chains.add({entry.stream, entry.from, entry.end()}))
      notes_.add({Finding::Kind::damage, name_, position, entry.bytes(), "offsets are there twice", {{entry.stream, entry.from, entry.end()}}});
    before_ = {entry.stream, entry.base};
    rows_.add(entry, position);
    info_found_.data_end = position + entry.bytes();
    ++found_;
    ++notes_.report.batches;
  }

  void tell(std::vector<EntryDamage> all) {
    for (auto& lost : all) {
      complete_ = false;
      Finding finding{Finding::Kind::damage, name_, lost.position, lost.bytes, "", {}};
      if (lost.first == lost.last) {
        finding.what = "records fail their checksum";
        finding.lost.push_back({lost.first, lost.from, lost.to});
        (void)notes_.chains.add(finding.lost.back());  // told once
      } else {
        finding.what = fmt::format("entries fail their checksum, from stream {} offset {} on", lost.first.value, lost.from.value);
      }
      notes_.add(std::move(finding));
    }
  }

  void index() {
    auto& expected = rows_.rows();
    auto pages = pages_for<SegmentRow>(info_.index.rows);
    bool good = true;
    std::uint64_t at = 0;
    for (std::uint32_t number = 0; number < pages; ++number) {
      auto position = info_.index.position + number * block_bytes;
      auto page = scrubbed_block(*file_, position);
      auto rows = check_page(as_bytes(page), segment_rows_kind, number, info_.salt);
      if (!rows) {
        damage(position, block_bytes, "a page of the index fails its checksum; it is made again from the entries when it is read");
        good = false;
        continue;
      }
      ByteReader in(as_bytes(page).subspan(page_header_bytes));
      for (std::uint16_t i = 0; i < *rows && good && complete_; ++i, ++at) {
        SegmentRow row;
        get_row(in, row);
        if (at < expected.size() && row == expected[at]) continue;
        damage(position, block_bytes, "the index says something else than the entries");
        good = false;
      }
    }
    if (good && complete_ && at != expected.size()) damage(info_.index.position, 0, "the index does not cover all entries");
    notes_.read(pages * block_bytes);
  }

  std::shared_ptr<const world::File> file_;
  const SegmentInfo& info_;
  std::string name_;
  ScrubNotes& notes_;
  SegmentRows rows_;
  SegmentInfo info_found_;
  std::uint64_t found_ = 0;
  std::pair<StreamId, Offset> before_{};
  bool complete_ = true;
};

}  // namespace

Result<void> check_segment(world::Disk& disk, const std::string& dir, const SegmentInfo& info, ScrubNotes& notes) {
  auto name = segment_file_below(info.number);
  auto file = disk.open(segment_path(dir, info.number), world::Open::read);
  if (!file && file.error().code == Code::not_found) {
    notes.damage(name, 0, info.file_bytes, "the segment is missing");
    return {};
  }
  if (!file) return file.error();
  TRY_ASSIGN(bytes, (*file)->size());
  if (bytes != info.file_bytes) notes.damage(name, bytes, 0, fmt::format("the segment has {} bytes and should have {}", bytes, info.file_bytes));
  ++notes.report.segments;
  SegmentCheck(std::move(*file), info, notes).run();
  return {};
}

}  // namespace tidemill::log
