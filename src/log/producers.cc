#include "log/producers.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <tuple>

namespace tidemill::log {
namespace {

constexpr std::int32_t sequence_max = std::numeric_limits<std::int32_t>::max();
constexpr Offset unknown_offset{-1};

bool takes_part(const record::BatchHeader& h) { return h.producer_id >= 0; }
bool has_sequence(const record::BatchHeader& h) { return takes_part(h) && !h.control() && h.base_sequence >= 0; }

SequenceRange range_of(const record::BatchHeader& h, Offset base) {
  return {h.base_sequence, sequence_after(h.base_sequence, h.last_offset_delta), base};
}

const SequenceRange* find_duplicate(const Window& window, const record::BatchHeader& h) {
  if (window.epoch != h.producer_epoch) return nullptr;
  auto wanted = range_of(h, Offset{});
  for (std::size_t i = 0; i < window.count; ++i)
    if (window.batches[i].base == wanted.base && window.batches[i].last == wanted.last) return &window.batches[i];
  return nullptr;
}

Error fenced(const Producers::Item& item, const Window& window) {
  return fail(Code::fenced, fmt::format("producer {} has epoch {}, but epoch {} was seen", item.header.producer_id,
                                        item.header.producer_epoch, window.epoch),
              "a newer producer with the same id took over; ask for a new id");
}

Error out_of_order(const Producers::Item& item, std::int32_t expected) {
  return fail(Code::out_of_order, fmt::format("producer {} sent sequence {}, expected {}", item.header.producer_id,
                                              item.header.base_sequence, expected));
}

// The window after `item`, or why it cannot follow.
Result<Window> follow(const Window* before, const Producers::Item& item, std::int64_t time_ms) {
  auto& h = item.header;
  auto next = before ? *before : Window{};
  next.last_time_ms = std::max(next.last_time_ms, time_ms);
  if (before && h.producer_epoch < before->epoch) return fenced(item, *before);
  bool new_epoch = h.producer_epoch != next.epoch;
  if (new_epoch) next.count = 0;
  next.epoch = h.producer_epoch;
  if (!has_sequence(h)) return next;
  if (before) {
    auto expected = next.count == 0 ? 0 : sequence_after(next.batches[next.count - 1u].last, 1);
    if (h.base_sequence != expected) return out_of_order(item, expected);
  }
  next.push(range_of(h, item.base));
  return next;
}

}  // namespace

std::int32_t sequence_after(std::int32_t sequence, std::int32_t delta) {
  if (sequence > sequence_max - delta) return delta - (sequence_max - sequence) - 1;
  return sequence + delta;
}

void Window::push(SequenceRange range) {
  if (count == remembered) {
    std::move(batches.begin() + 1, batches.end(), batches.begin());
    --count;
  }
  batches[count++] = range;
}

void Window::merge(const Window& later) {
  auto last_time = std::max(last_time_ms, later.last_time_ms);
  if (later.epoch > epoch) *this = later;
  last_time_ms = last_time;
  if (later.epoch < epoch) return;
  for (std::size_t i = 0; i < later.count; ++i)
    if (count == 0 || later.batches[i].offset > batches[count - 1u].offset) push(later.batches[i]);
}

const Window* Producers::find(const Staged& staged, ProducerKey key) const {
  if (auto ahead = staged.windows.find(key); ahead != staged.windows.end()) return &ahead->second;
  auto found = windows_.find(key);
  return found == windows_.end() ? nullptr : &found->second;
}

Result<Producers::Verdict> Producers::check(std::span<const Item> items, std::int64_t time_ms) const {
  Verdict verdict;
  std::size_t sequenced = 0, duplicates = 0;
  for (auto& item : items) {
    verdict.originals.push_back(unknown_offset);
    if (!takes_part(item.header)) continue;
    ProducerKey key{item.stream, ProducerId{item.header.producer_id}};
    auto* before = find(verdict.staged, key);
    if (has_sequence(item.header)) {
      ++sequenced;
      if (auto* twin = before ? find_duplicate(*before, item.header) : nullptr) {
        ++duplicates;
        verdict.originals.back() = twin->offset;
        continue;
      }
    }
    TRY_ASSIGN(window, follow(before, item, time_ms));
    verdict.staged.windows.insert_or_assign(key, window);
  }
  if (duplicates == 0) {
    verdict.originals.clear();
    return verdict;
  }
  if (duplicates != sequenced)
    return fail(Code::out_of_order, fmt::format("{} of {} batches of one append were stored before, the others not", duplicates, sequenced));
  verdict.duplicate = true;
  verdict.staged.windows.clear();
  return verdict;
}

void Producers::commit(Staged staged, std::int64_t monotonic_ms) {
  for (auto& [key, window] : staged.windows) {
    window.touched_ms = monotonic_ms;
    windows_[key] = window;
    changed_.insert(key);
  }
}

void Producers::merge(ProducerKey key, const Window& later) { windows_[key].merge(later); }

std::vector<ProducerKey> Producers::take_changed() {
  std::vector<ProducerKey> keys(changed_.begin(), changed_.end());
  changed_.clear();
  return keys;
}

void Producers::restore(StreamId stream, const record::BatchHeader& header, Offset base, std::int64_t time_ms) {
  if (!takes_part(header)) return;
  ProducerKey key{stream, ProducerId{header.producer_id}};
  changed_.insert(key);
  auto& window = windows_[key];
  if (window.epoch != header.producer_epoch) window.count = 0;
  window.epoch = header.producer_epoch;
  window.last_time_ms = std::max(window.last_time_ms, time_ms);
  if (has_sequence(header)) window.push(range_of(header, base));
}

void Producers::touch_all(std::int64_t monotonic_ms) {
  for (auto& [key, window] : windows_) window.touched_ms = monotonic_ms;
}

void Producers::forget(const Keep& keep) {
  if (windows_.size() <= keep.windows_min) return;
  using Silence = std::tuple<std::int64_t, std::int64_t, ProducerKey>;
  std::vector<Silence> longest_first;
  longest_first.reserve(windows_.size());
  for (auto& [key, window] : windows_) longest_first.emplace_back(window.touched_ms, window.last_time_ms, key);
  std::sort(longest_first.begin(), longest_first.end());
  for (auto& [touched_ms, last_time_ms, key] : longest_first) {
    bool old = touched_ms < keep.silent_before_ms && windows_.size() > keep.windows_min;
    if (!old && windows_.size() <= keep.windows_max) return;
    windows_.erase(key);
  }
}

}  // namespace tidemill::log
