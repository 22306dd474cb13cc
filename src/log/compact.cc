#include "log/compact.h"

#include "base/check.h"
#include "bytes/cursor.h"
#include "record/rewrite.h"

namespace tidemill::log {
namespace {

// Of each record: the hash of its key, if it has one. Nothing when the batch cannot be decoded.
std::optional<std::vector<std::optional<KeyHash>>> keys_of(const Slice& batch, const KeySecret& secret) {
  auto records = record::BatchRecords::open(batch, Offset{0});
  if (!records) return std::nullopt;
  std::vector<std::optional<KeyHash>> keys;
  record::RecordView view;
  for (;;) {
    auto more = records->next(view);
    if (!more) return std::nullopt;
    if (!*more) return keys;
    keys.push_back(view.key ? std::optional(hash_of_key(*view.key, secret)) : std::nullopt);
  }
}

// A control record's key: version i16, type i16; type 1 commits, 0 aborts.
std::optional<bool> commits(const Slice& control) {
  auto records = record::BatchRecords::open(control, Offset{0});
  record::RecordView view;
  if (!records) return std::nullopt;
  if (auto more = records->next(view); !more || !*more || !view.key) return std::nullopt;
  ByteReader in(*view.key);
  in.skip(2);
  auto type = in.i16();
  return in.ok() && (type == 0 || type == 1) ? std::optional(type == 1) : std::nullopt;
}

}  // namespace

Compactor::Compactor(CompactionPolicy policy, std::int64_t now_ms, KeySecret secret)
    : policy_(std::move(policy)), now_ms_(now_ms), secret_(secret), keys_(policy_.keys_max) {
  (void)keys_.next_pass();
}

// ---- study

bool Compactor::is_cleanable(const SegmentEntry& entry) const {
  return entry.end() <= policy_.cleanable_to && (policy_.min_lag_ms <= 0 || entry.max_timestamp <= now_ms_ - policy_.min_lag_ms);
}

const Compactor::Seen* Compactor::seen(Offset base) const {
  auto found = std::lower_bound(seen_.begin(), seen_.end(), base, [](const Seen& s, Offset o) { return s.base < o; });
  return found != seen_.end() && found->base == base ? &*found : nullptr;
}

// The first pass gives the records their numbers. What it could not read has none in later ones either.
const Compactor::Seen* Compactor::note(const SegmentEntry& entry, std::uint32_t records) {
  if (counts_.passes > 0) return seen(entry.base);
  seen_.push_back({entry.base, removed_.size(), records});
  removed_.resize(removed_.size() + records);
  return &seen_.back();
}

void Compactor::take_key(const KeyHash& key, std::uint64_t number) {
  if (!keys_.wants(key)) return;
  auto before = keys_.put(key, number);
  if (!before || *before == number) return;
  removed_[std::min(*before, number)] = true;
  if (*before > number) (void)keys_.put(key, *before);  // a transaction that was committed behind records that are newer than its own
}

void Compactor::end_transaction(const Slice& control, std::int64_t producer) {
  auto open = open_.find(producer);
  auto committed = commits(control);
  if (open == open_.end() || !committed) return;
  for (auto& batch : open->second) {
    for (auto& [key, number] : batch.keys)
      if (*committed) take_key(key, number);
    for (std::uint64_t i = 0; i < batch.records && !*committed; ++i) removed_[batch.first + i] = true;
  }
  open_.erase(open);
}

void Compactor::study(const SegmentEntry& entry, const Slice& batch) {
  auto header = record::read_header(batch.bytes());
  if (!header) return;
  if (header->producer_id >= 0 && !header->control()) last_of_producer_[header->producer_id] = entry.base;
  if (entry.base >= stop_) return;
  if (!is_cleanable(entry)) {
    stop_ = entry.base;
    return;
  }
  if (header->control()) return end_transaction(batch, header->producer_id);
  auto keys = keys_of(batch, secret_);
  auto* known = keys ? note(entry, static_cast<std::uint32_t>(keys->size())) : nullptr;
  if (!known) return;
  Open open{*known, {}};
  for (std::size_t i = 0; i < keys->size(); ++i) {
    auto& key = (*keys)[i];
    if (!key) continue;
    if (header->transactional()) open.keys.emplace_back(*key, known->first + i);
    else take_key(*key, known->first + i);
  }
  if (header->transactional()) open_[header->producer_id].push_back(std::move(open));
}

bool Compactor::study_more() {
  ++counts_.passes;
  for (auto& [producer, batches] : open_) stop_ = std::min(stop_, batches.front().base);
  open_.clear();
  return keys_.next_pass();
}

// ---- rewrite

bool Compactor::keeps_sequence(const SegmentEntry& entry, const record::BatchHeader& header) const {
  if (header.producer_id < 0 || (policy_.producer_is_known && !policy_.producer_is_known(ProducerId{header.producer_id}))) return false;
  auto last = last_of_producer_.find(header.producer_id);
  return last != last_of_producer_.end() && last->second == entry.base;
}

std::int64_t Compactor::horizon() const {
  return now_ms_ + std::min(policy_.delete_retention_ms, std::numeric_limits<std::int64_t>::max() - now_ms_);
}

Result<void> Compactor::rewrite(const SegmentEntry& entry, const Slice& batch, std::vector<CompactedEntry>& out) {
  TRY_ASSIGN(header, record::read_header(batch.bytes()));
  auto* known = seen(entry.base);
  if (entry.base >= stop_ || header.control() || !known) {
    put(entry, batch, out);
    return {};
  }
  CHECK(static_cast<std::int32_t>(known->records) == header.records_count, "stream {} at {}", entry.stream.value, entry.base.value);
  auto stored_horizon = record::delete_horizon(header);
  bool tombstones_go = policy_.from_start && stored_horizon && *stored_horizon <= now_ms_;
  bool tombstones_stay = false;
  std::vector<bool> keep(known->records);
  std::size_t kept = 0;
  TRY_ASSIGN(records, record::BatchRecords::open(batch, entry.base));
  record::RecordView view;
  for (std::size_t i = 0; i < keep.size(); ++i) {
    TRY_ASSIGN(more, records.next(view));
    CHECK(more);
    bool tombstone = view.key && !view.value;
    keep[i] = !removed_[known->first + i] && !(tombstone && tombstones_go);
    tombstones_stay |= keep[i] && tombstone;
    kept += keep[i];
  }
  counts_.records += keep.size();
  counts_.records_removed += keep.size() - kept;
  bool begins_horizon = tombstones_stay && policy_.from_start && !stored_horizon;
  if (kept == 0) {
    if (keeps_sequence(entry, header)) put(entry, record::empty_batch(header), out);
    else hold(entry, header, out);
  } else if (kept == keep.size() && !begins_horizon) {
    put(entry, batch, out);
  } else {
    TRY_ASSIGN(rewritten, record::keep_records(batch, keep, begins_horizon ? std::optional(horizon()) : std::nullopt));
    put(entry, std::move(rewritten), out);
  }
  return {};
}

// What was held back and touches `next` is answered for by it; otherwise it stays, without records.
void Compactor::let_go(SegmentEntry& next, std::vector<CompactedEntry>& out) {
  if (!held_) return;
  if (held_->entry.end() == next.from) {
    next.from = held_->entry.from;
    ++counts_.batches_removed;
    held_.reset();
  } else {
    finish(out);
  }
}

void Compactor::finish(std::vector<CompactedEntry>& out) {
  if (!held_) return;
  auto empty = record::empty_batch(held_->header);
  held_->entry.length = static_cast<std::uint32_t>(empty.size());
  out.push_back({held_->entry, std::move(empty)});
  held_.reset();
}

void Compactor::put(SegmentEntry entry, Slice batch, std::vector<CompactedEntry>& out) {
  let_go(entry, out);
  entry.length = static_cast<std::uint32_t>(batch.size());
  auto header = record::read_header(batch.bytes());
  CHECK(header.has_value());
  entry.max_timestamp = header->max_timestamp;
  out.push_back({entry, std::move(batch)});
}

void Compactor::hold(SegmentEntry entry, const record::BatchHeader& header, std::vector<CompactedEntry>& out) {
  let_go(entry, out);
  held_ = Held{entry, header};
}

}  // namespace tidemill::log
