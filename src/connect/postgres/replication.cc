#include "connect/postgres/replication.h"

#include <fmt/format.h>

#include "bytes/cursor.h"
#include "connect/postgres/pgoutput.h"

namespace tidemill::connect::postgres {
namespace {

constexpr const char* anew = "to copy the tables anew, delete the connector and create it again with snapshot.mode=initial";

Result<void> check_wal_level(Session& sql) {
  TRY_ASSIGN(rows, sql.query("SHOW wal_level"));
  if (rows.at(0, 0) == "logical") return {};
  return fail(Code::invalid, fmt::format("PostgreSQL has wal_level={}, but change capture needs logical", rows.at(0, 0)),
              "run: ALTER SYSTEM SET wal_level=logical, then restart PostgreSQL");
}

// The tables that pass the connector's filters, as SQL names, comma-separated.
Result<std::string> filtered_tables(Session& sql, const Settings& settings) {
  TRY_ASSIGN(rows, sql.query("SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
                             "WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 1, 2"));
  std::string list;
  for (int i = 0; i < rows.size(); ++i)
    if (settings.passes(rows.text(i, 0), rows.text(i, 1)))
      list += fmt::format("{}{}.{}", list.empty() ? "" : ", ", sql.identifier(rows.at(i, 0)), sql.identifier(rows.at(i, 1)));
  if (list.empty()) return fail(Code::not_found, "no table passes schema.include.list and table.include.list", "correct them, or create the table first");
  return list;
}

Result<void> make_publication(Session& sql, const Settings& settings) {
  auto name = sql.identifier(settings.publication);
  if (settings.autocreate == Autocreate::disabled)
    return fail(Code::not_found, fmt::format("publication \"{}\" does not exist, and publication.autocreate.mode is disabled", settings.publication),
                fmt::format("run: CREATE PUBLICATION {} FOR ALL TABLES", name));
  std::string tables = "ALL TABLES";
  if (settings.autocreate == Autocreate::filtered) {
    TRY_ASSIGN(list, filtered_tables(sql, settings));
    tables = "TABLE " + list;
  }
  auto made = sql.query(fmt::format("CREATE PUBLICATION {} FOR {}", name, tables));
  if (made) return {};
  auto error = std::move(made).error();
  if (error.code == Code::refused || error.message.find("superuser") != std::string::npos)
    error = fail(Code::refused, fmt::format("user \"{}\" may not create publication \"{}\": {}", settings.server.user, settings.publication, error.message),
                 fmt::format("as a superuser run: CREATE PUBLICATION {} FOR {}", name, tables));
  return error;
}

Result<void> check_publication(Session& sql, const Settings& settings) {
  TRY_ASSIGN(found, sql.query("SELECT puballtables FROM pg_catalog.pg_publication WHERE pubname = $1", {settings.publication}));
  if (found.size() == 0) return make_publication(sql, settings);
  if (settings.autocreate != Autocreate::filtered || found.at(0, 0) == "t") return {};
  TRY_ASSIGN(list, filtered_tables(sql, settings));
  TRY(sql.query(fmt::format("ALTER PUBLICATION {} SET TABLE {}", sql.identifier(settings.publication), list)));
  return {};
}

}  // namespace

Result<void> prepare_server(Session& sql, const Settings& settings) {
  TRY(check_wal_level(sql));
  return check_publication(sql, settings);
}

Result<std::optional<Slot>> find_slot(Session& sql, const std::string& name) {
  auto status = sql.server_version() >= 130000 ? "wal_status" : "'reserved'";
  TRY_ASSIGN(rows, sql.query(fmt::format("SELECT confirmed_flush_lsn, active, active_pid, {}, plugin, database FROM pg_catalog.pg_replication_slots "
                                         "WHERE slot_name = $1", status), {name}));
  if (rows.size() == 0) return std::optional<Slot>();
  Slot slot;
  slot.confirmed = parse_lsn(rows.at(0, 0)).value_or(Lsn());
  slot.active = rows.at(0, 1) == "t";
  slot.active_pid = rows.text(0, 2);
  slot.lost = rows.at(0, 3) == "lost";
  slot.plugin = rows.text(0, 4);
  slot.database = rows.text(0, 5);
  return std::optional<Slot>(std::move(slot));
}

Result<void> check_slot(const std::optional<Slot>& slot, const Settings& settings, const std::optional<Position>& position) {
  if (!slot) {
    if (!position) return {};
    return fail(Code::not_found, fmt::format("replication slot \"{}\" is gone, but changes up to {} were captured through it: what came after "
                                             "cannot be had any more", settings.slot, lsn_text(position->resume)), anew);
  }
  if (slot->plugin != "pgoutput" || slot->database != settings.server.database)
    return fail(Code::invalid, fmt::format("replication slot \"{}\" is of plugin {} and database {}; needed are pgoutput and {}", settings.slot,
                                           slot->plugin.empty() ? "(physical)" : slot->plugin, slot->database, settings.server.database),
                "choose another slot.name");
  if (slot->active)
    return fail(Code::busy, fmt::format("replication slot \"{}\" is in use by the server process {}", settings.slot, slot->active_pid),
                "stop whoever uses it, or choose another slot.name");
  if (slot->lost)
    return fail(Code::not_found, fmt::format("PostgreSQL has removed WAL that replication slot \"{}\" needs", settings.slot),
                fmt::format("raise max_slot_wal_keep_size and run: SELECT pg_drop_replication_slot('{}'); {}", settings.slot, anew));
  if (position && slot->confirmed > position->resume)
    return fail(Code::out_of_range, fmt::format("replication slot \"{}\" is at {}, ahead of the stored position {}: somebody else has read "
                                                "from it, and the changes in between are lost", settings.slot, lsn_text(slot->confirmed),
                                                lsn_text(position->resume)), anew);
  return {};
}

Result<std::string> system_identifier(Session& replication) {
  TRY_ASSIGN(rows, replication.query("IDENTIFY_SYSTEM"));
  return rows.text(0, 0);
}

Result<Exported> create_slot(Session& replication, const std::string& name, bool temporary) {
  TRY_ASSIGN(rows, replication.query(fmt::format("CREATE_REPLICATION_SLOT {} {}LOGICAL pgoutput EXPORT_SNAPSHOT", replication.identifier(name),
                                                 temporary ? "TEMPORARY " : "")));
  auto lsn = rows.size() == 1 ? parse_lsn(rows.at(0, 1)) : std::nullopt;
  if (!lsn) return fail(Code::corrupt, "PostgreSQL answered CREATE_REPLICATION_SLOT without a consistent point");
  return Exported{*lsn, rows.text(0, 2)};
}

Result<void> start_replication(Session& replication, const Settings& settings, Lsn from) {
  auto publication = replication.literal(replication.identifier(settings.publication));
  return replication.start_copy(fmt::format("START_REPLICATION SLOT {} LOGICAL {} (proto_version '1', publication_names {})",
                                            replication.identifier(settings.slot), lsn_text(from), publication));
}

std::string status_message(Lsn durable, std::int64_t now_ms) {
  ByteWriter out;
  out.i8('r');
  for (int i = 0; i < 3; ++i) out.u64(durable.value);  // written, flushed, applied
  out.i64(now_ms * 1000 - postgres_epoch_us);
  out.i8(0);
  return out.take();
}

}  // namespace tidemill::connect::postgres
