// The state of one query on disk: dir/<number>.snapshot, written whole or not at all, the two newest kept (docs/formats/flow-snapshot.md).
// A snapshot is never needed, only faster than replaying everything: one that is missing, torn or of another plan is passed over.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bytes/cursor.h"
#include "flow/positions.h"
#include "world/disk.h"

namespace tidemill::flow {

class Snapshots {
 public:
  Snapshots(world::Disk& disk, std::string dir, std::uint64_t fingerprint) : disk_(disk), dir_(std::move(dir)), fingerprint_(fingerprint) {}

  Result<void> save(const Positions& at, std::string_view state);
  // Gives the newest good one to `restore`; when that refuses it, the one before.
  std::optional<Positions> load(const std::function<bool(ByteReader&)>& restore);

 private:
  std::vector<std::uint64_t> numbers();  // ascending
  std::string path(std::uint64_t number) const;

  world::Disk& disk_;
  std::string dir_;
  std::uint64_t fingerprint_;
};

// Removes a query's snapshots; what cannot be removed does no harm.
void remove_snapshots(world::Disk& disk, const std::string& dir);

}  // namespace tidemill::flow
