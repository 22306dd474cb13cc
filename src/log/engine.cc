#include "log/engine.h"

namespace tidemill::log {

Engine::Engine(world::Disk& disk, world::Clock& clock, const CoreOptions& options, KeeperOptions keeping, std::size_t tail_cache_bytes)
    : sealed(disk, options.dir), segments(disk, options.dir), view(sealed, segments, tail_cache_bytes),
      maker(disk, options.dir, options.flaw != Flaw::lose_rename),
      keeper(disk, clock, std::move(keeping), sealed, segments, view, maker) {}

Result<std::unique_ptr<Engine>> Engine::open(world::Disk& disk, world::Clock& clock, CoreOptions options, KeeperOptions keeping,
                                             std::size_t tail_cache_bytes) {
  keeping.dir = options.dir;
  std::unique_ptr<Engine> engine(new Engine(disk, clock, options, std::move(keeping), tail_cache_bytes));
  TRY_ASSIGN(core, LogCore::open(disk, clock, std::move(options), engine->sealed, engine->view, engine->maker, engine->keeper, engine->watches));
  engine->core = std::move(core);
  return engine;
}

}  // namespace tidemill::log
