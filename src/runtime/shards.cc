#include "runtime/shards.h"

#include <fmt/core.h>

#include "base/check.h"

namespace tidemill::runtime {

Shards::Shards(std::size_t count) {
  if (count == 0) count = std::max(1u, std::thread::hardware_concurrency());
  threads_.reserve(count);
  shards_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    auto& thread = threads_.emplace_back(std::make_unique<world::LoopThread>(fmt::format("shard-{}", i)));
    shards_.push_back({thread->loop(), i});
  }
}

Shards::Shards(const std::vector<world::Loop*>& loops) {
  CHECK(!loops.empty());
  shards_.reserve(loops.size());
  for (auto* loop : loops) shards_.push_back({*loop, shards_.size()});
}

Shards::~Shards() { stop(); }

Shard& Shards::pick() { return shards_[turn_.fetch_add(1, std::memory_order_relaxed) % shards_.size()]; }

void Shards::stop() {
  for (auto& thread : threads_) thread->stop();
  for (auto& thread : threads_) thread->join();
}

}  // namespace tidemill::runtime
