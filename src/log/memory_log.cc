#include "log/memory_log.h"

#include <fmt/core.h>

#include "log/append_check.h"
#include "world/clock.h"

namespace tidemill::log {

MemoryLog::MemoryLog(world::Clock& clock, Delivery delivery) : clock_(clock), delivery_(delivery) {
  if (delivery_ == Delivery::own_thread) thread_ = std::thread([this] { run(); });
}

MemoryLog::~MemoryLog() {
  {
    std::lock_guard hold(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void MemoryLog::append(Append append, AppendDone done) {
  std::unique_lock hold(mutex_);
  auto answer = take(std::move(append), std::move(done));
  if (delivery_ == Delivery::in_call) {
    hold.unlock();
    return deliver(std::move(answer));
  }
  answers_.push_back(std::move(answer));
  hold.unlock();
  wake_.notify_one();
}

MemoryLog::Answer MemoryLog::take(Append append, AppendDone done) {
  std::vector<StreamId> moved;
  auto result = store(append, moved);
  return Answer{std::move(done), std::move(result), std::move(moved)};
}

Result<void> MemoryLog::check_streams(const Append& append) {
  for (auto& entry : append.entries)
    if (streams_[entry.stream].forgotten) return stream_is_deleted(entry.stream);
  for (auto& mark : append.marks)
    if (auto& stream = streams_[mark.stream]; mark.kind == Mark::Kind::trim && mark.offset > stream.end)
      return offset_out_of_range(mark.offset, Bounds{stream.start, stream.end, 0});
  return {};
}

void MemoryLog::apply(const Mark& mark) {
  auto& stream = streams_[mark.stream];
  if (mark.kind == Mark::Kind::trim) stream.start = std::max(stream.start, mark.offset);
  if (mark.kind == Mark::Kind::forget) stream.forgotten = true;
  if (stream.forgotten) stream.batches.clear();
  std::erase_if(stream.batches, [&](auto& kept) { return kept.end <= stream.start; });
}

Result<Appended> MemoryLog::store(Append& append, std::vector<StreamId>& moved) {
  TRY_ASSIGN(headers, check_append(append, append_bytes_max(), 64u << 20));
  TRY(check_streams(append));
  std::unordered_map<StreamId, Offset> ends;
  std::vector<Producers::Item> items;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    auto stream = append.entries[i].stream;
    auto& end = ends.try_emplace(stream, streams_[stream].end).first->second;
    items.push_back({stream, headers[i], end});
    end += headers[i].records_count;
  }
  Appended appended;
  appended.append_time_ms = clock_.now_ms();
  TRY_ASSIGN(verdict, producers_.check(items, appended.append_time_ms));
  appended.jsn = Jsn{groups_.size() + (verdict.duplicate ? 0 : 1)};
  if (verdict.duplicate) {
    appended.duplicate = true;
    appended.base_offsets = std::move(verdict.originals);
    return appended;
  }
  producers_.commit(std::move(verdict.staged), clock_.monotonic_ns() / 1'000'000);
  Group group{appended.jsn, incarnation(), appended.append_time_ms, {}, append.marks};
  for (std::size_t i = 0; i < items.size(); ++i) {
    auto& entry = append.entries[i];
    auto& stream = streams_[entry.stream];
    StoredBatch batch{items[i].base, appended.jsn, static_cast<std::uint32_t>(i), 0, appended.append_time_ms, entry.batch};
    stream.end = items[i].base + headers[i].records_count;
    stream.batches.push_back({std::move(batch), stream.end, headers[i].max_timestamp});
    group.entries.push_back({entry.tenant, entry.stream, items[i].base, entry.batch});
    appended.base_offsets.push_back(items[i].base);
    moved.push_back(entry.stream);
  }
  for (auto& mark : append.marks) apply(mark);
  groups_.push_back(std::move(group));
  return appended;
}

void MemoryLog::deliver(Answer answer) {
  answer.done(std::move(answer.result));
  watches_.announce(answer.moved);
}

void MemoryLog::run() {
  std::unique_lock hold(mutex_);
  for (;;) {
    wake_.wait(hold, [&] { return stopping_ || !answers_.empty(); });
    if (answers_.empty()) return;
    auto answer = std::move(answers_.front());
    answers_.pop_front();
    hold.unlock();
    deliver(std::move(answer));
    hold.lock();
  }
}

Bounds MemoryLog::bounds(StreamId stream) const {
  std::lock_guard hold(mutex_);
  auto found = streams_.find(stream);
  if (found == streams_.end()) return {};
  auto& known = found->second;
  return {known.forgotten ? known.end : known.start, known.end, 0};
}

Result<std::vector<StoredBatch>> MemoryLog::read(StreamId stream, Offset from, std::size_t bytes_max) const {
  std::lock_guard hold(mutex_);
  auto found = streams_.find(stream);
  auto bounds = found == streams_.end() ? Bounds{} : Bounds{found->second.start, found->second.end, 0};
  if (found != streams_.end() && found->second.forgotten) return stream_is_deleted(stream);
  if (from < bounds.start || from > bounds.end) return offset_out_of_range(from, bounds);
  std::vector<StoredBatch> out;
  if (from == bounds.end) return out;
  auto& batches = found->second.batches;
  auto at = std::upper_bound(batches.begin(), batches.end(), from, [](Offset o, const Kept& k) { return o < k.end; });
  for (std::size_t bytes = 0; at != batches.end(); ++at) {
    bytes += at->batch.bytes.size();
    if (!out.empty() && bytes > bytes_max) break;
    out.push_back(at->batch);
  }
  return out;
}

Result<std::optional<StoredBatch>> MemoryLog::find_by_time(StreamId stream, std::int64_t time_ms) const {
  std::lock_guard hold(mutex_);
  if (auto found = streams_.find(stream); found != streams_.end())
    for (auto& kept : found->second.batches)
      if (kept.max_timestamp >= time_ms) return std::optional(kept.batch);
  return std::optional<StoredBatch>{};
}

Jsn MemoryLog::durable_jsn() const {
  std::lock_guard hold(mutex_);
  return Jsn{groups_.size()};
}

Result<std::vector<Group>> MemoryLog::read_groups(Jsn from, std::size_t bytes_max) const {
  std::lock_guard hold(mutex_);
  std::vector<Group> out;
  std::size_t bytes = 0;
  for (auto jsn = std::max<std::uint64_t>(from.value, 1); jsn <= groups_.size(); ++jsn) {
    for (auto& entry : groups_[jsn - 1].entries) bytes += entry.batch.size();
    if (!out.empty() && bytes > bytes_max) break;
    out.push_back(groups_[jsn - 1]);
  }
  return out;
}

std::unique_ptr<Watch> MemoryLog::watch(std::vector<StreamId> streams, std::move_only_function<void()> on_advance) {
  return watches_.add(std::move(streams), std::move(on_advance));
}

ProducerId MemoryLog::new_producer_id() {
  std::lock_guard hold(mutex_);
  return ProducerId{next_producer_++};
}

}  // namespace tidemill::log
