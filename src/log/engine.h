// Engine: the parts of the embedded log, and nothing that runs them. EmbeddedLog does that with two threads, a simulation by hand.
#pragma once

#include <memory>

#include "log/core.h"
#include "log/keeper.h"

namespace tidemill::log {

struct Engine {
  SealedFiles sealed;
  SegmentFiles segments;
  View view;
  SpareMaker maker;
  Watches watches;
  Keeper keeper;
  std::unique_ptr<LogCore> core;

  // Recovers; disk and clock must outlive the engine. The core belongs to one thread from then on, background_step() to another.
  static Result<std::unique_ptr<Engine>> open(world::Disk& disk, world::Clock& clock, CoreOptions options, KeeperOptions keeping,
                                              std::size_t tail_cache_bytes);
  // A piece of what goes on behind the log's back; false when there is nothing to do.
  bool background_step() { return maker.step() || keep_step(); }
  // A run that a full disk keeps from starting owes the journal what recovery found out: until then nothing may rest on it.
  bool keep_step() { return core->run_started() && keeper.step(); }

 private:
  Engine(world::Disk& disk, world::Clock& clock, const CoreOptions& options, KeeperOptions keeping, std::size_t tail_cache_bytes);
};

}  // namespace tidemill::log
