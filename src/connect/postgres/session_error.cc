#include "connect/postgres/session_error.h"

#include <fmt/format.h>

namespace tidemill::connect::postgres {
namespace {

// libpq writes several lines; the last one that says FATAL or ERROR is the reason, else the first.
std::string reason(std::string_view said) {
  for (std::string_view mark : {"FATAL:  ", "ERROR:  ", "failed: "})
    if (auto at = said.rfind(mark); at != std::string_view::npos) {
      said.remove_prefix(at + mark.size());
      break;
    }
  auto line = said.substr(0, said.find('\n'));
  while (!line.empty() && (line.back() == '.' || line.back() == ' ')) line.remove_suffix(1);
  return std::string(line);
}

bool says(std::string_view said, std::string_view part) { return said.find(part) != std::string_view::npos; }

std::string place(const Server& server) { return fmt::format("PostgreSQL at {}:{}", server.host, server.port); }

}  // namespace

Error connection_error(const Server& server, std::string_view said) {
  auto why = reason(said);
  if (says(said, "password authentication failed") || says(said, "no password supplied"))
    return fail(Code::refused, fmt::format("{} refuses user \"{}\": {}", place(server), server.user, why),
                "correct database.user and database.password");
  if (says(said, "no pg_hba.conf entry"))
    return fail(Code::refused, fmt::format("{} does not let user \"{}\" in: {}", place(server), server.user, why),
                "add a line for this user and host to pg_hba.conf and reload the server");
  if (says(said, "role \"") && says(said, "does not exist"))
    return fail(Code::refused, fmt::format("{} has no user \"{}\"", place(server), server.user), "correct database.user");
  if (says(said, "database \"") && says(said, "does not exist"))
    return fail(Code::not_found, fmt::format("{} has no database \"{}\"", place(server), server.database), "correct database.dbname");
  if (says(said, "replication role") || says(said, "REPLICATION attribute"))
    return fail(Code::refused, fmt::format("user \"{}\" may not use replication at {}", server.user, place(server)),
                fmt::format("run: ALTER ROLE \"{}\" WITH REPLICATION", server.user));
  if (says(said, "number of requested standby connections exceeds"))
    return fail(Code::busy, fmt::format("{} has no free WAL sender: {}", place(server), why), "raise max_wal_senders and restart the server");
  if (says(said, "SSL"))
    return fail(Code::refused, fmt::format("{} and database.sslmode={} do not fit together: {}", place(server), server.sslmode, why),
                "choose another database.sslmode, or configure SSL on the server");
  return fail(Code::unavailable, fmt::format("{} does not answer: {}", place(server), why),
              "start it, or correct database.hostname and database.port");
}

Error statement_error(const Server& server, std::string_view sqlstate, std::string_view said) {
  auto why = reason(said);
  if (sqlstate == "42501" && says(said, "replication"))
    return fail(Code::refused, fmt::format("user \"{}\" may not use replication: {}", server.user, why),
                fmt::format("run: ALTER ROLE \"{}\" WITH REPLICATION", server.user));
  if (sqlstate == "42501") return fail(Code::refused, fmt::format("user \"{}\" lacks a permission: {}", server.user, why),
                                       "grant it (SELECT on captured tables, CREATE on the database for a publication)");
  if (sqlstate == "55006") return fail(Code::busy, why, "stop whoever uses the slot, or choose another slot.name");
  // A slot or publication that somebody else is making just now, a table or column that went while it was being read: looked at again.
  if (sqlstate == "42710" || sqlstate == "42P01" || sqlstate == "42703") return fail(Code::busy, fmt::format("PostgreSQL says: {} ({})", why, sqlstate));
  if (sqlstate == "42704") return fail(Code::not_found, why);
  if (sqlstate == "53400" || sqlstate == "53300")
    return fail(Code::busy, why, "raise max_replication_slots or max_connections and restart the server");
  if (sqlstate.starts_with("57P") || sqlstate.starts_with("08")) return fail(Code::unavailable, fmt::format("{}: {}", place(server), why));
  if (sqlstate.empty()) return fail(Code::unavailable, fmt::format("the connection to {} broke: {}", place(server), why));
  return fail(Code::invalid, fmt::format("PostgreSQL says: {} ({})", why, sqlstate));
}

}  // namespace tidemill::connect::postgres
