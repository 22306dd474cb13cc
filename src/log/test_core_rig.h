// A log core stepped by hand on a simulated disk, with everything it needs; for tests.
#pragma once

#include "base/check.h"
#include "log/engine.h"
#include "log/test_batches.h"
#include "world/simulated_disk.h"

namespace tidemill::log {

struct RigClock : world::Clock {
  std::int64_t ns = 1'000'000'000;
  std::int64_t now_ms() override { return 1'700'000'000'000 + ns / 1'000'000; }
  std::int64_t monotonic_ns() override { return ns; }
  void pass_ms(std::int64_t ms) { ns += ms * 1'000'000; }
};

struct CoreRig {
  world::SimulatedDisk disk{1};
  RigClock clock;
  CoreOptions options{.dir = "data", .journal_file_bytes = 128 << 10, .group_bytes_max = 32 << 10, .batch_bytes_max = 48 << 10};
  KeeperOptions keeping;
  std::unique_ptr<Engine> parts;
  std::size_t cache_bytes = 0;  // so that reads come from the disk

  Result<void> open() {
    parts.reset();
    TRY_ASSIGN(opened, Engine::open(disk, clock, options, keeping, cache_bytes));
    parts = std::move(opened);
    make_spare();
    return {};
  }
  // As a clean stop and start.
  Result<void> reopen() {
    parts->core->stop();
    parts.reset();
    disk.kill();
    return open();
  }
  void make_spare() {
    while (parts->background_step() || parts->core->pump()) {}
  }
  Result<Appended> put(Append append) {
    std::optional<Result<Appended>> answer;
    parts->core->submit(std::move(append), [&](Result<Appended> r) { answer = std::move(r); });
    while (!answer && (parts->core->pump() || parts->background_step())) {}
    if (!answer) parts->core->stop();
    return *answer;
  }
  Result<Appended> put(std::uint64_t stream, Slice batch, Durability durability = Durability::synced) {
    return put(one(StreamId{stream}, std::move(batch), durability));
  }
  void go_idle() {
    clock.pass_ms(20);
    while (parts->core->pump()) {}
  }
  const View& view() const { return parts->view; }
  const RecoveryReport& report() const { return parts->core->recovery(); }
  std::string file(std::uint64_t number) const { return journal_path(options.dir, number); }
  // Where the batch at (stream, offset) begins in its file, found by its bytes.
  std::uint64_t position_of(std::uint64_t number, const std::string& needle) const {
    auto at = disk.content(file(number)).find(needle);
    CHECK(at != std::string::npos, "{} is not in file {}", needle, number);
    return at;
  }
};

}  // namespace tidemill::log
