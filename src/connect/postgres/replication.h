// What must be true of the server before changes can be captured, and how it is made true: wal_level, publication, slot.
#pragma once

#include <optional>
#include <string>

#include "connect/postgres/lsn.h"
#include "connect/postgres/position.h"
#include "connect/postgres/session.h"
#include "connect/postgres/settings.h"

namespace tidemill::connect::postgres {

struct Slot {
  Lsn confirmed;
  bool active = false;
  std::string active_pid;
  bool lost = false;     // the server has removed WAL that the slot needs
  std::string plugin, database;
};

// An exported snapshot: lives until the next command on the replication session that made it.
struct Exported {
  Lsn lsn;
  std::string snapshot;
};

// wal_level, and the publication, made when it is missing and may be made.
Result<void> prepare_server(Session& sql, const Settings& settings);

Result<std::optional<Slot>> find_slot(Session& sql, const std::string& name);
// Whether the slot can be used from `position` on without losing a change; errors name the remedy.
Result<void> check_slot(const std::optional<Slot>& slot, const Settings& settings, const std::optional<Position>& position);

Result<std::string> system_identifier(Session& replication);
Result<Exported> create_slot(Session& replication, const std::string& name, bool temporary);
Result<void> start_replication(Session& replication, const Settings& settings, Lsn from);

// A standby status update: everything up to `durable` need not be kept for us.
std::string status_message(Lsn durable, std::int64_t now_ms);

}  // namespace tidemill::connect::postgres
