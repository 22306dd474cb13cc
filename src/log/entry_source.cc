#include "log/entry_source.h"

#include "base/check.h"
#include "log/journal_files.h"

namespace tidemill::log {
namespace {

class SegmentSource final : public EntrySource {
 public:
  SegmentSource(SegmentFiles& files, std::vector<SegmentInfo> segments) : files_(files), segments_(std::move(segments)) {}

  Result<const SegmentEntry*> peek() override {
    while (!there_ && at_ < segments_.size()) {
      if (!scan_) TRY(open());
      there_ = scan_->next();
      if (!there_) close();
    }
    return there_ ? &scan_->entry() : nullptr;
  }
  Result<Slice> batch() override { return scan_->batch(); }
  void advance() override { there_ = false; }
  Result<void> skip_to(StreamId stream, Offset offset) override;
  void mark() override { marked_ = {at_, there_ ? std::optional(scan_->place()) : std::nullopt}; }
  void go_back() override;
  std::vector<EntryDamage> take_damage() override {
    if (scan_) note();
    return std::exchange(damage_, {});
  }

 private:
  Result<void> open() {
    TRY_ASSIGN(scan, files_.scan(segments_[at_]));
    scan_.emplace(std::move(scan));
    if (place_) scan_->go_back(*std::exchange(place_, std::nullopt));
    return {};
  }
  void close() {
    note();
    scan_.reset();
    ++at_;
  }
  void note() {
    for (auto& damage : scan_->take_damage()) damage_.push_back(std::move(damage));
  }

  SegmentFiles& files_;
  std::vector<SegmentInfo> segments_;
  std::size_t at_ = 0;
  std::optional<SegmentScan> scan_;  // of segments_[at_]
  std::optional<SegmentScan::Place> place_;  // where it is to begin
  bool there_ = false;               // the scan is on the current entry
  struct {
    std::size_t at = 0;
    std::optional<SegmentScan::Place> place;
  } marked_;
  std::vector<EntryDamage> damage_;
};

Result<void> SegmentSource::skip_to(StreamId stream, Offset offset) {
  TRY_ASSIGN(now, peek());
  while (now && (now->stream < stream || (now->stream == stream && now->end() <= offset))) {
    if (segments_[at_].last_stream < stream) {
      close();
    } else {
      scan_->skip_to(stream, offset);
    }
    there_ = false;
    TRY_ASSIGN(next, peek());
    now = next;
  }
  return {};
}

// Keeps the scan where it can, and with it the MiB that it has read: small streams are gone over twice without reading twice.
void SegmentSource::go_back() {
  there_ = false;
  if (scan_ && marked_.place && at_ == marked_.at) {
    scan_->go_back(*marked_.place);
    return;
  }
  if (scan_) note();
  scan_.reset();
  at_ = marked_.place ? marked_.at : segments_.size();
  place_ = marked_.place;
}

// ----

class JournalSource final : public EntrySource {
 public:
  JournalSource(SealedFiles& files, const Footer& seal) : files_(files), seal_(seal) {}

  Result<const SegmentEntry*> peek() override {
    for (; !there_ && at_ < seal_.table(PageKind::batches).rows; ++at_) {
      TRY_ASSIGN(row, files_.row<BatchRow>(seal_, at_));
      if (row.length == 0) continue;
      TRY(load(row));
      break;
    }
    return there_ ? &entry_ : nullptr;
  }
  Result<Slice> batch() override;
  void advance() override {
    if (there_) ++at_;
    there_ = false;
  }
  Result<void> skip_to(StreamId stream, Offset offset) override {
    TRY_ASSIGN(at, files_.first_row_not<BatchRow>(seal_, [&](const BatchRow& r) { return r.stream < stream || (r.stream == stream && r.end() <= offset); }));
    if (at > at_) there_ = false;
    at_ = std::max(at_, at);
    return {};
  }
  void mark() override { marked_ = at_; }
  void go_back() override {
    at_ = marked_;
    there_ = false;
  }
  std::vector<EntryDamage> take_damage() override { return std::exchange(damage_, {}); }

 private:
  Result<void> load(const BatchRow& row) {
    if (row.group != group_number_ || !group_.length) {
      TRY_ASSIGN(group, files_.row<GroupRow>(seal_, row.group));
      group_ = group;
      group_number_ = row.group;
    }
    position_ = group_.position + row.at;
    entry_ = {.length = row.length, .stream = row.stream, .base = row.base, .from = row.base, .jsn = group_.jsn, .max_timestamp = row.max_timestamp,
              .append_time_ms = group_.time_ms, .index = row.index, .span = row.records, .leader_epoch = group_.leader_epoch};
    there_ = true;
    return {};
  }

  SealedFiles& files_;
  Footer seal_;
  std::uint64_t at_ = 0;
  std::uint64_t marked_ = 0;
  bool there_ = false;  // entry_ is that of row at_
  SegmentEntry entry_;
  std::uint64_t position_ = 0;
  GroupRow group_;
  std::uint32_t group_number_ = 0;
  std::vector<EntryDamage> damage_;
};

// One read for one batch: in the journal the batches of a stream lie far from each other, and what is sorted was just written.
Result<Slice> JournalSource::batch() {
  TRY_ASSIGN(file, files_.file(seal_.number));
  auto buffer = std::make_shared<std::string>(entry_.length, '\0');
  auto bytes = std::as_writable_bytes(std::span(*buffer));
  auto found = std::span<const std::byte>(bytes).first(read_around_bad_blocks(*file, position_, bytes));
  if (auto checked = check_segment_batch(entry_, found); !checked) {
    damage_.push_back({journal_name(seal_.number), position_, entry_.length, entry_.stream, entry_.from, entry_.stream, entry_.end()});
    return checked.error();
  }
  return Slice(buffer, found);
}

}  // namespace

std::unique_ptr<EntrySource> segment_source(SegmentFiles& files, std::vector<SegmentInfo> segments) {
  return std::make_unique<SegmentSource>(files, std::move(segments));
}

std::unique_ptr<EntrySource> journal_source(SealedFiles& files, const Footer& seal) { return std::make_unique<JournalSource>(files, seal); }

}  // namespace tidemill::log
