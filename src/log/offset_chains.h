// OffsetChains: which offsets of every stream have been met, in whatever order; then what is missing of them, or was met twice.
//
// A stream whose parts come in order takes little room: one part that grows.
#pragma once

#include <algorithm>
#include <unordered_map>

#include "log/scrub.h"

namespace tidemill::log {

class OffsetChains {
 public:
  // False: a part of it was met before.
  bool add(const OffsetRange& range) {
    auto& parts = parts_[range.stream];
    auto next = std::partition_point(parts.begin(), parts.end(), [&](auto& p) { return p.to <= range.from; });
    bool fresh = next == parts.end() || next->from >= range.to;
    auto first = next != parts.begin() && std::prev(next)->to == range.from ? std::prev(next) : next;
    Part merged{range.from, range.to};
    auto last = first;
    for (; last != parts.end() && last->from <= range.to; ++last) merged = {std::min(merged.from, last->from), std::max(merged.to, last->to)};
    if (first == last) parts.insert(first, merged);
    else *first = merged, parts.erase(first + 1, last);
    return fresh;
  }

  // Calls with every part of [from, to) that was never met.
  template <class Call>
  void missing(StreamId stream, Offset from, Offset to, Call call) const {
    auto found = parts_.find(stream);
    if (found != parts_.end())
      for (auto& part : found->second) {
        if (part.from > from && from < to) call(OffsetRange{stream, from, std::min(part.from, to)});
        from = std::max(from, part.to);
      }
    if (from < to) call(OffsetRange{stream, from, to});
  }

  // Calls with the end of each stream.
  template <class Call>
  void for_each_end(Call call) const {
    for (auto& [stream, parts] : parts_) call(stream, parts.back().to);
  }

 private:
  struct Part {
    Offset from;
    Offset to;
  };
  std::unordered_map<StreamId, std::vector<Part>> parts_;  // sorted, none touches the next
};

}  // namespace tidemill::log
