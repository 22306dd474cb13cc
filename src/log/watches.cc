#include "log/watches.h"

namespace tidemill::log {

struct Watches::Registration {
  std::vector<StreamId> streams;
  std::move_only_function<void()> on_advance;
  bool alive = true;
  std::uint64_t round = 0;  // last announcement that called it
};

struct Watches::Shared {
  std::recursive_mutex mutex;  // recursive: a callback may add or drop watches
  std::unordered_multimap<StreamId, std::shared_ptr<Registration>> by_stream;
  std::vector<std::shared_ptr<Registration>> any;
  std::uint64_t round = 0;

  void remove(const std::shared_ptr<Registration>& gone) {
    std::lock_guard hold(mutex);
    gone->alive = false;
    if (gone->streams.empty()) std::erase(any, gone);
    for (auto stream : gone->streams) {
      auto [first, last] = by_stream.equal_range(stream);
      while (first != last) first = first->second == gone ? by_stream.erase(first) : std::next(first);
    }
  }
};

class Watches::Handle : public Watch {
 public:
  Handle(std::shared_ptr<Shared> shared, std::shared_ptr<Registration> registration)
      : shared_(std::move(shared)), registration_(std::move(registration)) {}
  ~Handle() override { shared_->remove(registration_); }

 private:
  std::shared_ptr<Shared> shared_;
  std::shared_ptr<Registration> registration_;
};

Watches::Watches() : shared_(std::make_shared<Shared>()) {}
Watches::~Watches() = default;

std::unique_ptr<Watch> Watches::add(std::vector<StreamId> streams, std::move_only_function<void()> on_advance) {
  auto registration = std::make_shared<Registration>();
  registration->streams = std::move(streams);
  registration->on_advance = std::move(on_advance);
  std::lock_guard hold(shared_->mutex);
  if (registration->streams.empty()) shared_->any.push_back(registration);
  for (auto stream : registration->streams) shared_->by_stream.emplace(stream, registration);
  return std::make_unique<Handle>(shared_, std::move(registration));
}

void Watches::announce(std::span<const StreamId> moved) {
  if (moved.empty()) return;
  auto shared = shared_;
  std::lock_guard hold(shared->mutex);
  auto round = ++shared->round;
  auto called = shared->any;
  for (auto stream : moved) {
    auto [first, last] = shared->by_stream.equal_range(stream);
    for (; first != last; ++first)
      if (std::exchange(first->second->round, round) != round) called.push_back(first->second);
  }
  for (auto& registration : called)
    if (registration->alive) registration->on_advance();
}

}  // namespace tidemill::log
