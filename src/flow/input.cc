#include "flow/input.h"

namespace tidemill::flow {

void MergedInput::seek(const std::vector<Positions::Input>& inputs) {
  partitions_.clear();
  for (auto& input : inputs) partitions_.push_back({input.stream, input.next, {}, {}});
}

std::vector<Positions::Input> MergedInput::positions() const {
  std::vector<Positions::Input> out;
  for (auto& p : partitions_) out.push_back({p.stream, p.next});
  return out;
}

Result<void> MergedInput::fill(Partition& p) {
  constexpr std::size_t read_bytes = 512u << 10;
  if (!p.ahead.empty()) return {};
  auto bounds = log_.bounds(p.stream);
  if (p.next < bounds.start) {
    lost_ += static_cast<std::uint64_t>(bounds.start - p.next);
    p.next = bounds.start;
  }
  if (p.next >= bounds.end) return {};
  TRY_ASSIGN(batches, log_.read(p.stream, p.next, read_bytes));
  for (auto& batch : batches) p.ahead.push_back(std::move(batch));
  return {};
}

bool MergedInput::done(const Partition& p, const Limits& limits) const {
  if (!limits.until) return false;
  auto at = static_cast<std::size_t>(&p - partitions_.data());
  return at >= limits.until->size() || p.next >= (*limits.until)[at].next;
}

MergedInput::Partition* MergedInput::earliest(const Limits& limits) {
  Partition* first = nullptr;
  for (auto& p : partitions_) {
    if (p.ahead.empty() || p.ahead.front().jsn > limits.horizon || done(p, limits)) continue;
    auto place = [](const Partition& x) { return std::pair(x.ahead.front().jsn, x.ahead.front().index); };
    if (!first || place(p) < place(*first)) first = &p;
  }
  return first;
}

// Opens the batch at the front, or passes over it when it cannot be.
bool MergedInput::open_batch(Partition& p, record::RowOrigin origin, const Unreadable& unreadable) {
  if (p.open) return true;
  auto& batch = p.ahead.front();
  auto opened = record::BatchRecords::open(batch.bytes, batch.base);
  if (opened) {
    p.open = std::make_shared<record::BatchRecords>(std::move(*opened));
    return true;
  }
  auto header = record::read_header(batch.bytes.bytes());
  origin.offset = p.next.value;
  unreadable(origin, opened.error());
  p.next = batch.base + (header ? header->last_offset_delta + 1 : 1);
  p.ahead.pop_front();
  return false;
}

Result<std::size_t> MergedInput::read(const Limits& limits, record::Arena& hold, const Visit& visit, const Unreadable& unreadable) {
  struct Held {
    std::shared_ptr<record::BatchRecords> records;
    Slice bytes;
  };
  std::size_t records = 0, bytes = 0;
  bool more = true;
  auto room = [&] { return more && records < limits.records && bytes < limits.bytes; };
  while (room()) {
    for (auto& p : partitions_) TRY(fill(p));  // each must show its next batch before the earliest can be known
    auto* p = earliest(limits);
    if (!p) break;
    record::RowOrigin origin;
    origin.partition = static_cast<std::int32_t>(p - partitions_.data());
    origin.jsn = p->ahead.front().jsn;
    origin.index = p->ahead.front().index;
    if (!open_batch(*p, origin, unreadable)) {
      ++records;
      continue;
    }
    hold.hold(std::make_shared<Held>(Held{p->open, p->ahead.front().bytes}));
    auto end = p->ahead.front().base + p->open->header().last_offset_delta + 1;
    bool control = p->open->header().control(), finished = false;
    while (room() && !finished && !done(*p, limits)) {
      record::RecordView record;
      auto next = p->open->next(record);
      origin.offset = p->next.value;
      if (!next) unreadable(origin, next.error());
      finished = !next || !*next;
      if (finished || record.offset < p->next.value) continue;
      p->next = Offset(record.offset + 1);
      if (control) continue;
      origin.offset = record.offset;
      origin.timestamp_ms = record.timestamp_ms;
      origin.headers = record.headers;
      ++records;
      bytes += (record.value ? record.value->size() : 0) + (record.key ? record.key->size() : 0);
      more = visit(record, origin);
    }
    if (finished) p->next = std::max(p->next, end);
    if (p->next < end) continue;
    p->open.reset();
    p->ahead.pop_front();
  }
  return records;
}

std::int64_t MergedInput::lag() const {
  std::int64_t out = 0;
  for (auto& p : partitions_) out += std::max<std::int64_t>(0, log_.bounds(p.stream).end - p.next);
  return out;
}

}  // namespace tidemill::flow
