#include "broker/fetch.h"

#include <algorithm>

#include "record/batch.h"

namespace tidemill::broker {
namespace {

using world::Task;

constexpr std::size_t piece_bytes = 128 * 1024;  // read in one go; a fraction of a millisecond
constexpr std::size_t piece_parts = 64;          // looked at in one go

// One look at every part of a wish. Lives while its fetch does.
struct Pass {
  const Broker* broker;
  const FetchWish* wish;
  std::size_t room;  // bytes that may be found
  std::vector<FetchedPart> parts{};
  std::size_t bytes = 0;
  bool failed = false;
  bool cut = false;  // there is more than room
};

Offset end_of(const log::StoredBatch& batch) {
  auto header = record::read_header(batch.bytes.bytes());
  return batch.base + (header ? header->last_offset_delta : 0) + 1;
}

// One part being read. `bytes` are those of its records, which take long to count.
struct PartPass {
  const FetchPart& part;
  FetchedPart& fetched;
  Offset next;
  std::size_t bytes = 0;
};

std::size_t room_for(const Pass& pass, const PartPass& at) {
  auto left = pass.room > pass.bytes ? pass.room - pass.bytes : 0;
  auto of_part = at.part.bytes_max > at.bytes ? at.part.bytes_max - at.bytes : 0;
  return std::min(left, of_part);
}

// Says what is wrong, or where the partition begins and ends.
void look_at(const Pass& pass, const FetchPart& part, FetchedPart& fetched) {
  if (!part.topic || !has_partition(*part.topic, part.partition)) {
    fetched.error = kafka::UNKNOWN_TOPIC_OR_PARTITION;
    return;
  }
  auto bounds = pass.broker->log.bounds(part.topic->stream(part.partition));
  fetched.leader_epoch = bounds.leader_epoch;
  fetched.error = check_leader_epoch(part.leader_epoch, bounds.leader_epoch);
  if (fetched.error != kafka::NONE) return;
  fetched.start = bounds.start;
  fetched.end = bounds.end;
}

// The next piece of a part; false when there is no more of it, or no more room.
bool read_piece(Pass& pass, PartPass& at) {
  auto& fetched = at.fetched;
  bool first = pass.bytes == 0;  // nothing was found so far, so one batch may break the limits
  auto limit = room_for(pass, at);
  if (limit == 0 && !first) {
    pass.cut |= at.next < fetched.end && pass.bytes >= pass.room;
    return false;
  }
  auto read = pass.broker->log.read(at.part.topic->stream(at.part.partition), at.next, std::min(limit, piece_bytes));
  if (!read) {
    if (at.bytes == 0) fetched.error = refusal_of(read.error()).code;
    return false;
  }
  for (const auto& batch : *read) {
    auto added = batch.bytes.size();
    if (added > room_for(pass, at) && pass.bytes != 0) {
      pass.cut |= pass.bytes + added > pass.room;
      return false;
    }
    fetched.records.add_stored(batch.bytes, batch.base, batch.leader_epoch);
    pass.bytes += added;
    at.bytes += added;
    at.next = end_of(batch);
    // The log may have grown since its bounds were taken; the end never lies behind what is handed out.
    fetched.end = std::max(fetched.end, at.next);
  }
  return !read->empty() && at.next < fetched.end;
}

// In turn with the other fetches of the loop; between two pieces whatever else the loop has to do.
Task<void> read_all(Pass& pass, world::Loop& loop, runtime::Turns& turns) {
  pass.parts.reserve(pass.wish->parts.size());
  std::size_t bytes_before = 0, parts_before = 0;
  co_await turns.enter();
  for (const auto& part : pass.wish->parts) {
    auto& fetched = pass.parts.emplace_back();
    look_at(pass, part, fetched);
    PartPass at{part, fetched, part.from};
    for (bool more = fetched.error == kafka::NONE; more;) {
      more = read_piece(pass, at);
      if (pass.bytes - bytes_before < piece_bytes / 2 && pass.parts.size() - parts_before < piece_parts) continue;
      bytes_before = pass.bytes;
      parts_before = pass.parts.size();
      turns.leave();
      co_await runtime::Yield{loop};
      co_await turns.enter();
    }
    pass.failed |= fetched.error != kafka::NONE;
  }
  turns.leave();
}

std::vector<StreamId> streams_of(const FetchWish& wish) {
  std::vector<StreamId> streams;
  for (const auto& part : wish.parts)
    if (part.topic && has_partition(*part.topic, part.partition)) streams.push_back(part.topic->stream(part.partition));
  return streams;
}

bool enough(const Pass& pass) { return pass.failed || pass.cut || pass.bytes >= pass.wish->bytes_min; }

// A pass, and the memory for what it found: `held`.
struct Reading {
  Broker& broker;
  world::Loop& loop;
  const FetchWish& wish;
  FetchMeans means;
  Pass pass{&broker, &wish, 0};
  std::size_t held = 0;

  void drop() {
    pass = Pass{&broker, &wish, 0};
    means.memory.give_back(std::exchange(held, 0));
  }
  Task<void> read_within(std::size_t room) {
    held = room;
    pass = Pass{&broker, &wish, room};
    return read_all(pass, loop, means.turns);
  }
  void give_back_the_rest() {
    if (pass.bytes > held) means.memory.take_anyway(pass.bytes - held);
    else means.memory.give_back(held - pass.bytes);
    held = pass.bytes;
  }
};

Task<void> read(Reading& reading) {
  reading.drop();
  auto wished = std::min(reading.wish.bytes_max, reading.broker.settings.fetch_bytes_max);
  auto reading_some = reading.read_within(reading.means.memory.take_some(wished));
  co_await reading_some;
  auto found = reading.pass.bytes;
  if (found > reading.held && !reading.means.memory.try_take(found - reading.held)) {
    // One batch, larger than what is left: not held while it is waited for.
    reading.drop();
    auto taking = reading.means.memory.take(found);
    if (!co_await taking) co_return;
    auto reading_again = reading.read_within(found);
    co_await reading_again;
  } else if (found > reading.held) {
    reading.held = found;
  }
  reading.give_back_the_rest();
}

Fetched finished(Reading& reading) {
  reading.pass.parts.resize(reading.wish.parts.size());  // fewer only when the connection ends
  return {std::move(reading.pass.parts), reading.held};
}

}  // namespace

ErrorCode check_leader_epoch(std::int32_t believed, std::int32_t actual) {
  if (believed == -1 || believed == actual) return kafka::NONE;
  return believed < actual ? kafka::FENCED_LEADER_EPOCH : kafka::UNKNOWN_LEADER_EPOCH;
}

Task<Fetched> fetch(Broker& broker, world::Loop& loop, FetchWish wish, Wakeable& wakeable, FetchMeans means) {
  Reading reading{broker, loop, wish, means};
  auto first = read(reading);
  co_await first;
  auto wait = std::min(wish.wait, std::chrono::milliseconds(broker.settings.fetch_wait_ms_max));
  if (enough(reading.pass) || wait.count() <= 0 || wakeable.ended()) co_return finished(reading);

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
    auto again = read(reading);
    co_await again;
    if (enough(reading.pass)) break;
    reading.drop();  // nothing is held while nothing is done
    co_await advanced;
  }
  loop.cancel(timer);
  wakeable.waiting(nullptr);
  if (!enough(reading.pass)) {
    auto last = read(reading);
    co_await last;
  }
  co_return finished(reading);
}

}  // namespace tidemill::broker
