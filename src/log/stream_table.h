// StreamTable: what the log knows of every stream, in one flat array: a million idle streams cost 48 to 72 bytes each.
//
// Open addressing with linear probing; grows by half. References live until the next insertion. The highest id is not a stream's.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "base/ids.h"

namespace tidemill::log {

struct StreamState {
  Offset start;  // first offset that is not trimmed
  Offset end;
  std::int64_t max_timestamp = std::numeric_limits<std::int64_t>::min();
  TenantId tenant;
  bool forgotten = false;  // deleted: nothing can be read or appended any more

  // What a later part of the journal says about the stream. Order does not matter, and the same may come twice.
  void merge(const StreamState& later) {
    start = std::max(start, later.start);
    end = std::max(end, later.end);
    max_timestamp = std::max(max_timestamp, later.max_timestamp);
    if (later.tenant != TenantId{}) tenant = later.tenant;
    forgotten |= later.forgotten;
  }
};

class StreamTable {
 public:
  const StreamState* find(StreamId id) const {
    auto at = slots_.empty() ? 0 : position(id);
    return slots_.empty() || slots_[at].id == nobody ? nullptr : &slots_[at].state;
  }
  StreamState& operator[](StreamId id) {
    if ((count_ + 1) * 6 > slots_.size() * 5) grow(std::max<std::size_t>(16, slots_.size() + slots_.size() / 2));
    auto& slot = slots_[position(id)];
    if (slot.id == nobody) {
      slot.id = id;
      ++count_;
    }
    return slot.state;
  }
  void reserve(std::size_t count) {
    if (count * 6 / 5 + 1 > slots_.size()) grow(count * 6 / 5 + 1);
  }
  std::size_t size() const { return count_; }
  std::size_t memory_bytes() const { return slots_.capacity() * sizeof(Slot); }

  // In no particular order.
  template <class Call>
  void for_each(Call call) const {
    for (auto& slot : slots_)
      if (slot.id != nobody) call(slot.id, slot.state);
  }

 private:
  static constexpr StreamId nobody{std::numeric_limits<std::uint64_t>::max()};
  struct Slot {
    StreamId id = nobody;
    StreamState state;
  };

  // Where the stream is, or would be.
  std::size_t position(StreamId id) const {
    auto mixed = (id.value ^ (id.value >> 32)) * 0x9E3779B97F4A7C15ull;
    auto at = static_cast<std::size_t>((static_cast<unsigned __int128>(mixed) * slots_.size()) >> 64);
    while (slots_[at].id != nobody && slots_[at].id != id) at = at + 1 == slots_.size() ? 0 : at + 1;
    return at;
  }
  void grow(std::size_t slots) {
    std::vector<Slot> old(slots);
    std::swap(old, slots_);
    for (auto& slot : old)
      if (slot.id != nobody) slots_[position(slot.id)] = slot;
  }

  std::vector<Slot> slots_;
  std::size_t count_ = 0;
};

}  // namespace tidemill::log
