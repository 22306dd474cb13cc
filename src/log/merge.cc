#include "log/merge.h"

#include <fmt/core.h>

#include "base/check.h"

namespace tidemill::log {
namespace {

constexpr std::uint64_t step_bytes = 1u << 20;
constexpr Offset behind_everything{std::numeric_limits<std::int64_t>::max()};

}  // namespace

MergeJob::MergeJob(world::Disk& disk, MergeSettings settings, std::vector<std::unique_ptr<EntrySource>> sources)
    : disk_(disk), settings_(std::move(settings)), sources_(std::move(sources)) {
  CHECK(settings_.class_of && settings_.keep_of && settings_.next_number && settings_.random);
  CHECK(settings_.from < settings_.to, "[{}, {})", settings_.from.value, settings_.to.value);
}

MergeJob::~MergeJob() { abandon(); }

void MergeJob::abandon() {
  busy_ = nullptr;
  writers_.clear();
  for (auto& info : report_.segments) (void)disk_.remove(segment_path(settings_.dir, info.number));  // what stays goes at the next start
  report_ = {};
}

MergeReport MergeJob::take() {
  CHECK(done_, "the merge is not done");
  for (auto& [place, damage] : damage_) report_.damage.push_back(damage);
  auto in_order = [](const SegmentInfo& a, const SegmentInfo& b) { return std::tie(a.retention_class, a.number) < std::tie(b.retention_class, b.number); };
  std::sort(report_.segments.begin(), report_.segments.end(), in_order);
  return std::exchange(report_, {});
}

Result<bool> MergeJob::step() {
  if (done_) return false;
  work_ = 0;
  while (work_ < step_bytes) {
    if (busy_) {
      TRY(busy_->pump());
      work_ += step_bytes;
      if (!busy_->busy()) busy_ = nullptr;
    } else if (compacted_at_ < compacted_.size()) {
      TRY(write_compacted());
    } else if (!merged_) {
      TRY_ASSIGN(more, advance());
      merged_ = !more;
    } else if (!writers_.empty()) {
      TRY(finish_segment(writers_.begin()->first));
      work_ += step_bytes;
    } else {
      done_ = true;
      break;
    }
  }
  gather_damage();
  return !done_;
}

void MergeJob::gather_damage() {
  for (auto& source : sources_)
    for (auto& damage : source->take_damage()) damage_.try_emplace({damage.file, damage.position}, damage);
}

// ---- from the sources

// The source with the next entry; of two with the same one, the older.
Result<EntrySource*> MergeJob::lowest(SegmentEntry& entry) {
  EntrySource* found = nullptr;
  for (auto& source : sources_) {
    TRY_ASSIGN(head, source->peek());
    if (!head || (found && std::tie(entry.stream, entry.base) <= std::tie(head->stream, head->base))) continue;
    found = source.get();
    entry = *head;
  }
  return found;
}

Result<bool> MergeJob::advance() {
  SegmentEntry entry;
  TRY_ASSIGN(source, lowest(entry));
  if (stream_ && (!source || entry.stream != *stream_)) {
    TRY(end_stream());
    return true;
  }
  if (!source) return false;
  if (!stream_) {
    TRY_ASSIGN(moved, begin_stream(entry.stream));
    if (moved) return true;
  }
  TRY(handle(*source, entry));
  return true;
}

// True when the sources were moved, and must be asked again.
Result<bool> MergeJob::begin_stream(StreamId stream) {
  work_ += segment_entry_bytes;
  keep_ = settings_.keep_of(stream);
  if (keep_.forgotten) {
    TRY(skip_all(stream, behind_everything));
    return true;
  }
  stream_ = stream;
  class_ = settings_.class_of(stream);
  end_ = Offset{0};
  phase_ = Phase::copy;
  if (keep_.start > Offset{0}) TRY(skip_all(stream, keep_.start));
  if (auto policy = settings_.compaction_of ? settings_.compaction_of(stream) : std::nullopt) {
    compactor_.emplace(std::move(*policy), settings_.now_ms, KeySecret{settings_.random(), settings_.random()});
    phase_ = Phase::study;
    for (auto& source : sources_) {
      TRY(source->peek());
      source->mark();
    }
  }
  return true;
}

Result<void> MergeJob::skip_all(StreamId stream, Offset offset) {
  for (auto& source : sources_) {
    TRY_ASSIGN(head, source->peek());
    if (head && head->stream == stream && head->end() <= offset) TRY(source->skip_to(stream, offset));
  }
  return {};
}

Result<void> MergeJob::end_stream() {
  end_ = Offset{0};
  if (phase_ == Phase::study) {
    if (!compactor_->study_more()) phase_ = Phase::rewrite;
    gather_damage();
    for (auto& source : sources_) source->go_back();
    return {};
  }
  if (compactor_) {
    compactor_->finish(compacted_);
    auto& counts = compactor_->counts();
    report_.compaction.records += counts.records;
    report_.compaction.records_removed += counts.records_removed;
    report_.compaction.batches_removed += counts.batches_removed;
    report_.compaction.passes = std::max(report_.compaction.passes, counts.passes);
  }
  compactor_.reset();
  // What compaction held back is written with this stream's class before another one begins.
  while (compacted_at_ < compacted_.size()) TRY(write_compacted());
  stream_.reset();
  return {};
}

// Only damage, or a mistake, can make two sources hold the same offsets: the older one counts.
bool MergeJob::overlaps(SegmentEntry& entry) {
  if (entry.base < end_) return true;
  entry.from = std::max(entry.from, end_);
  end_ = entry.end();
  return false;
}

Result<void> MergeJob::handle(EntrySource& source, const SegmentEntry& head) {
  auto entry = head;
  work_ += segment_entry_bytes;
  if (entry.end() <= keep_.start) {
    source.advance();
    return {};
  }
  if (overlaps(entry)) {
    auto name = fmt::format("stream {} twice", entry.stream.value);
    damage_.try_emplace({name, static_cast<std::uint64_t>(entry.base.value)}, EntryDamage{name, 0, entry.bytes(), entry.stream, entry.from, entry.stream, entry.end()});
    source.advance();
    return {};
  }
  auto batch = source.batch();
  work_ += entry.length;
  if (!batch && batch.error().code != Code::corrupt) return batch.error();
  if (batch) {
    if (phase_ == Phase::copy) TRY(write(entry, std::move(*batch)));
    else if (phase_ == Phase::study) compactor_->study(entry, *batch);
    else TRY(compactor_->rewrite(entry, *batch, compacted_));
  }
  source.advance();
  return {};
}

// ---- into segments

Result<void> MergeJob::write_compacted() {
  auto next = std::move(compacted_[compacted_at_++]);
  if (compacted_at_ == compacted_.size()) {
    compacted_.clear();
    compacted_at_ = 0;
  }
  return write(next.entry, std::move(next.batch));
}

Result<SegmentWriter*> MergeJob::writer_for(std::uint64_t bytes) {
  auto& writer = writers_[class_];
  if (writer && writer->entries() > 0 && writer->bytes() + bytes > settings_.segment_bytes_max) {
    TRY(finish_segment(class_));
    return writer_for(bytes);
  }
  if (!writer) {
    SegmentIdentity identity{.number = settings_.next_number(), .salt = settings_.random(), .retention_class = class_, .level = settings_.level,
                             .from = settings_.from, .to = settings_.to, .created_ms = settings_.now_ms};
    auto made = SegmentWriter::create(disk_, settings_.dir, identity);
    if (!made) {
      writers_.erase(class_);
      return made.error();
    }
    writer = std::move(*made);
  }
  return writer.get();
}

Result<void> MergeJob::write(const SegmentEntry& entry, Slice batch) {
  TRY_ASSIGN(writer, writer_for(segment_entry_bytes + batch.size()));
  ++report_.entries_written;
  report_.bytes_written += segment_entry_bytes + batch.size();
  work_ += segment_entry_bytes + batch.size();
  TRY(writer->add(entry, std::move(batch)));
  busy_ = writer->busy() ? writer : nullptr;
  return {};
}

Result<void> MergeJob::finish_segment(std::uint32_t retention_class) {
  auto node = writers_.extract(retention_class);
  if (busy_ == node.mapped().get()) busy_ = nullptr;  // finish() writes the rest
  TRY_ASSIGN(info, node.mapped()->finish(settings_.purged_to));
  report_.segments.push_back(info);
  return {};
}

}  // namespace tidemill::log
