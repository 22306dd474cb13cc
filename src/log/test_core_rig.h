// A log core stepped by hand on a simulated disk, with everything it needs; for tests.
#pragma once

#include "base/check.h"
#include "log/core.h"
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
  struct Parts {
    SealedFiles sealed;
    View view;
    SpareMaker maker;
    Watches watches;
    std::unique_ptr<LogCore> core;
    Parts(world::Disk& d, const std::string& dir, std::size_t cache) : sealed(d, dir), view(sealed, cache), maker(d, dir) {}
  };
  std::unique_ptr<Parts> parts;
  std::size_t cache_bytes = 0;  // so that reads come from the disk

  Result<void> open() {
    parts.reset();
    auto fresh = std::make_unique<Parts>(disk, options.dir, cache_bytes);
    TRY_ASSIGN(core, LogCore::open(disk, clock, options, fresh->sealed, fresh->view, fresh->maker, fresh->watches));
    fresh->core = std::move(core);
    parts = std::move(fresh);
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
    while (parts->maker.step() || parts->core->pump()) {}
  }
  Result<Appended> put(Append append) {
    std::optional<Result<Appended>> answer;
    parts->core->submit(std::move(append), [&](Result<Appended> r) { answer = std::move(r); });
    while (!answer && (parts->core->pump() || parts->maker.step())) {}
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
