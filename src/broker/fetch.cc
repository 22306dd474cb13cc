#include "broker/fetch.h"

#include <algorithm>

namespace tidemill::broker {
namespace {

struct Pass {
  std::vector<FetchedPart> parts;
  std::size_t bytes = 0;
  bool failed = false;
};

// Reads one part within `room`; `first` says that nothing was found so far, so that one batch may break the limits.
FetchedPart read_part(const Broker& broker, const FetchPart& part, std::size_t room, bool first) {
  FetchedPart fetched;
  if (!part.topic || !has_partition(*part.topic, part.partition)) {
    fetched.error = kafka::UNKNOWN_TOPIC_OR_PARTITION;
    return fetched;
  }
  auto stream = part.topic->stream(part.partition);
  auto bounds = broker.log.bounds(stream);
  fetched.leader_epoch = bounds.leader_epoch;
  fetched.error = check_leader_epoch(part.leader_epoch, bounds.leader_epoch);
  if (fetched.error != kafka::NONE) return fetched;
  auto limit = std::min(part.bytes_max, room);
  auto read = limit == 0 && !first ? Result<std::vector<log::StoredBatch>>() : broker.log.read(stream, part.from, limit);
  if (!read) {
    fetched.error = refusal_of(read.error()).code;
    return fetched;
  }
  fetched.start = bounds.start;
  fetched.end = bounds.end;
  for (const auto& batch : *read) {
    bool fits = fetched.records.size() + batch.bytes.size() <= limit;
    bool only = first && fetched.records.parts.empty();
    if (!fits && !only) break;
    fetched.records.add_stored(batch.bytes, batch.base, batch.leader_epoch);
    // The log may have grown since its bounds were taken; the end never lies behind what is handed out.
    fetched.end = std::max(fetched.end, batch.base + 1);
  }
  return fetched;
}

Pass read_all(const Broker& broker, const FetchWish& wish) {
  Pass pass;
  pass.parts.reserve(wish.parts.size());
  auto bytes_max = std::min(wish.bytes_max, broker.settings.fetch_bytes_max);
  for (const auto& part : wish.parts) {
    auto room = bytes_max > pass.bytes ? bytes_max - pass.bytes : 0;
    pass.parts.push_back(read_part(broker, part, room, pass.bytes == 0));
    pass.bytes += pass.parts.back().records.size();
    pass.failed |= pass.parts.back().error != kafka::NONE;
  }
  return pass;
}

std::vector<StreamId> streams_of(const FetchWish& wish) {
  std::vector<StreamId> streams;
  for (const auto& part : wish.parts)
    if (part.topic && has_partition(*part.topic, part.partition)) streams.push_back(part.topic->stream(part.partition));
  return streams;
}

bool enough(const Pass& pass, const FetchWish& wish) { return pass.failed || pass.bytes >= wish.bytes_min; }

}  // namespace

ErrorCode check_leader_epoch(std::int32_t believed, std::int32_t actual) {
  if (believed == -1 || believed == actual) return kafka::NONE;
  return believed < actual ? kafka::FENCED_LEADER_EPOCH : kafka::UNKNOWN_LEADER_EPOCH;
}

world::Task<std::vector<FetchedPart>> fetch(Broker& broker, world::Loop& loop, FetchWish wish, Wakeable& wakeable) {
  auto pass = read_all(broker, wish);
  auto wait = std::min(wish.wait, std::chrono::milliseconds(broker.settings.fetch_wait_ms_max));
  if (enough(pass, wish) || wait.count() <= 0 || wakeable.ended()) co_return std::move(pass.parts);

  // One clock for the whole wait; each round arms the watch before it looks, so that nothing arrives unseen in between.
  bool expired = false;
  std::function<void()> wake;
  auto timer = loop.run_after(wait, [&] { expired = true; if (wake) wake(); });
  auto streams = streams_of(wish);
  while (!expired && !wakeable.ended()) {
    world::Once<bool> advanced(loop);
    auto set = advanced.setter();
    wake = [set] { set(true); };
    wakeable.waiting(wake);
    auto watch = streams.empty() ? nullptr : broker.log.watch(streams, [set] { set(true); });
    pass = read_all(broker, wish);
    if (enough(pass, wish)) break;
    co_await advanced;
  }
  loop.cancel(timer);
  wakeable.waiting(nullptr);
  if (!enough(pass, wish)) pass = read_all(broker, wish);
  co_return std::move(pass.parts);
}

}  // namespace tidemill::broker
