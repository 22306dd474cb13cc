// The snapshots of catalogue and queries, as far as somebody who only reads the directory needs them: whether their checksums hold, and
// what the topics are called. They are never needed, only faster: a bad one costs nothing but time at the next start.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>

#include "log/scrub.h"

namespace tidemill::app {

struct StreamOwner {
  std::string topic;
  std::uint64_t partition = 0;
};

class StreamNames {
 public:
  const StreamOwner* find(StreamId stream) const {
    auto found = owners_.find(stream);
    return found == owners_.end() ? nullptr : &found->second;
  }
  void add(StreamId stream, StreamOwner owner) { owners_[stream] = std::move(owner); }

 private:
  std::unordered_map<StreamId, StreamOwner> owners_;
};

// As the catalogue's snapshot has them; empty when it cannot be read.
StreamNames read_stream_names(world::Disk& disk, const std::string& dir);
Result<void> check_snapshots(world::Disk& disk, const std::string& dir, const std::function<void(const log::Finding&)>& found);

}  // namespace tidemill::app
