// The embedded engine in one thread on a disk of the test's choice: an append is answered, or refused, before append() returns. For
// simulations of what follows a log. A crash is the disk's; open() again is the next start.
#pragma once

#include "log/engine.h"
#include "log/test_batches.h"
#include "world/disk.h"

namespace tidemill::log {

class SteppedLog : public Log {
 public:
  SteppedLog(world::Disk& disk, world::Clock& clock, CoreOptions options) : disk_(disk), clock_(clock), options_(std::move(options)) {}

  Result<void> open() {
    engine_.reset();
    TRY_ASSIGN(opened, Engine::open(disk_, clock_, options_, {}, 0));
    engine_ = std::move(opened);
    settle();
    return {};
  }
  void close() { engine_.reset(); }
  // Does what there is to do, at the time that it is.
  void settle() {
    while (engine_->core->pump() || engine_->background_step()) {}
  }
  const LogCore& core() const { return *engine_->core; }

  void append(Append append, AppendDone done) override {
    engine_->core->submit(std::move(append), std::move(done));
    settle();
  }
  std::size_t append_bytes_max() const override { return options_.group_bytes_max; }
  Bounds bounds(StreamId stream) const override { return engine_->view.bounds(stream); }
  Result<std::vector<StoredBatch>> read(StreamId stream, Offset from, std::size_t bytes_max) const override {
    return engine_->view.read(stream, from, bytes_max);
  }
  Result<std::optional<StoredBatch>> find_by_time(StreamId stream, std::int64_t time_ms) const override {
    return engine_->view.find_by_time(stream, time_ms);
  }
  Jsn durable_jsn() const override { return engine_->view.durable_jsn(); }
  Result<std::vector<Group>> read_groups(Jsn from, std::size_t bytes_max) const override { return engine_->view.read_groups(from, bytes_max); }
  std::unique_ptr<Watch> watch(std::vector<StreamId> streams, std::move_only_function<void()> on_advance) override {
    return engine_->watches.add(std::move(streams), std::move(on_advance));
  }
  ProducerId new_producer_id() override { return ProducerId{static_cast<std::int64_t>((incarnation().value << 32) | ids_++)}; }
  Incarnation incarnation() const override { return engine_->core->incarnation(); }

 private:
  world::Disk& disk_;
  world::Clock& clock_;
  CoreOptions options_;
  std::unique_ptr<Engine> engine_;
  std::uint64_t ids_ = 0;
};

}  // namespace tidemill::log
