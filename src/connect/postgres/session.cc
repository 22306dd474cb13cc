#include "connect/postgres/session.h"

#include <libpq-fe.h>

#include "connect/postgres/session_error.h"

namespace tidemill::connect::postgres {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds connect_patience{10'000};
constexpr milliseconds look_again{500};

// Values must come as text that means the same on every connection, whatever the server's and the role's settings are.
constexpr const char* session_options =
    "-c DateStyle=ISO -c TimeZone=UTC -c IntervalStyle=iso_8601 -c extra_float_digits=3 -c bytea_output=hex -c lc_monetary=C "
    "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0";

Error stopped() { return fail(Code::cancelled, "the connector was stopped"); }

PGconn* start_connection(const Server& server, Session::Use use) {
  std::vector<const char*> names, values;
  auto give = [&](const char* name, const char* value) {
    if (value[0] == '\0') return;
    names.push_back(name);
    values.push_back(value);
  };
  give("host", server.host.c_str());
  give("port", server.port.c_str());
  give("user", server.user.c_str());
  give("password", server.password.c_str());
  give("dbname", server.database.c_str());
  give("sslmode", server.sslmode.c_str());
  give("sslrootcert", server.sslrootcert.c_str());
  give("sslcert", server.sslcert.c_str());
  give("sslkey", server.sslkey.c_str());
  give("client_encoding", "UTF8");
  give("application_name", "tidemill");
  give("options", session_options);
  if (use == Session::Use::replication) give("replication", "database");
  names.push_back(nullptr);
  values.push_back(nullptr);
  return PQconnectStartParams(names.data(), values.data(), 0);
}

}  // namespace

Rows::~Rows() { PQclear(result_); }
int Rows::size() const { return PQntuples(result_); }
bool Rows::null(int row, int column) const { return PQgetisnull(result_, row, column) != 0; }
std::string_view Rows::at(int row, int column) const {
  return {PQgetvalue(result_, row, column), static_cast<std::size_t>(PQgetlength(result_, row, column))};
}

Session::Session(pg_conn* connection, Interrupt& interrupt, Server server)
    : connection_(connection), interrupt_(interrupt), server_(std::move(server)) {
  server_.password.clear();
}

Session::~Session() {
  PQfreemem(row_);
  PQfinish(connection_);
}

Result<std::unique_ptr<Session>> Session::open(const Server& server, Use use, Interrupt& interrupt) {
  auto* connection = start_connection(server, use);
  if (connection == nullptr) return fail(Code::unavailable, "no memory for a connection to PostgreSQL");
  std::unique_ptr<Session> session(new Session(connection, interrupt, server));
  TRY(session->connect());
  PQsetNoticeProcessor(connection, [](void*, const char*) {}, nullptr);
  return session;
}

Result<void> Session::connect() {
  auto state = PGRES_POLLING_WRITING;  // as the manual has it for the first wait
  for (auto waited = milliseconds{0}; PQstatus(connection_) != CONNECTION_BAD && state != PGRES_POLLING_OK;) {
    auto ready = interrupt_.wait(PQsocket(connection_), state == PGRES_POLLING_WRITING, look_again);
    if (interrupt_.stopped()) return stopped();
    if (ready) state = PQconnectPoll(connection_);
    else if (waited += look_again; waited >= connect_patience) return connection_error(server_, "failed: no answer within 10 s");
    if (state == PGRES_POLLING_FAILED) break;
  }
  if (PQstatus(connection_) != CONNECTION_OK) return connection_error(server_, PQerrorMessage(connection_));
  PQsetnonblocking(connection_, 1);
  return {};
}

Error Session::broken() const { return statement_error(server_, "", PQerrorMessage(connection_)); }

Result<void> Session::flush() {
  for (;;) {
    auto left = PQflush(connection_);
    if (left == 0) return {};
    if (left < 0) return broken();
    interrupt_.wait(PQsocket(connection_), true, look_again);
    if (interrupt_.stopped()) return stopped();
    if (!PQconsumeInput(connection_)) return broken();
  }
}

// Null at the end of a statement's results.
Result<pg_result*> Session::next_result() {
  TRY(flush());
  while (PQisBusy(connection_)) {
    if (interrupt_.stopped()) return stopped();
    interrupt_.wait(PQsocket(connection_), false, look_again);
    if (!PQconsumeInput(connection_)) return broken();
  }
  return PQgetResult(connection_);
}

Result<Rows> Session::finish() {
  std::optional<Rows> last;
  for (;;) {
    TRY_ASSIGN(result, next_result());
    if (result == nullptr) break;
    Rows rows(result);
    auto status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
      auto* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
      auto error = statement_error(server_, state ? state : "", PQresultErrorMessage(result));
      while (auto* rest = PQgetResult(connection_)) PQclear(rest);
      return error;
    }
    last.emplace(std::move(rows));
  }
  if (!last) return broken();
  return std::move(*last);
}

Result<Rows> Session::query(const std::string& sql) {
  if (!PQsendQuery(connection_, sql.c_str())) return broken();
  return finish();
}

Result<Rows> Session::query(const std::string& sql, const std::vector<std::string>& parameters) {
  std::vector<const char*> values;
  for (auto& parameter : parameters) values.push_back(parameter.c_str());
  if (!PQsendQueryParams(connection_, sql.c_str(), static_cast<int>(values.size()), nullptr, values.data(), nullptr, nullptr, 0))
    return broken();
  return finish();
}

std::string Session::literal(std::string_view text) const {
  auto* quoted = PQescapeLiteral(connection_, text.data(), text.size());
  std::string out = quoted ? quoted : "''";
  PQfreemem(quoted);
  return out;
}

std::string Session::identifier(std::string_view name) const {
  auto* quoted = PQescapeIdentifier(connection_, name.data(), name.size());
  std::string out = quoted ? quoted : "\"\"";
  PQfreemem(quoted);
  return out;
}

int Session::server_version() const { return PQserverVersion(connection_); }

std::string Session::setting(const char* name) const {
  auto* value = PQparameterStatus(connection_, name);
  return value ? value : "";
}

Result<void> Session::start_copy(const std::string& sql) {
  if (!PQsendQuery(connection_, sql.c_str())) return broken();
  TRY_ASSIGN(result, next_result());
  if (result == nullptr) return broken();
  Rows rows(result);
  auto status = PQresultStatus(result);
  if (status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) return {};
  auto* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  return statement_error(server_, state ? state : "", PQresultErrorMessage(result));
}

Result<CopyStep> Session::next(std::string_view& data) {
  PQfreemem(row_);
  row_ = nullptr;
  auto size = PQgetCopyData(connection_, &row_, 1);
  if (size == 0) {
    if (!PQconsumeInput(connection_)) return broken();
    size = PQgetCopyData(connection_, &row_, 1);
  }
  if (size > 0) {
    data = {row_, static_cast<std::size_t>(size)};
    return CopyStep::row;
  }
  if (size == 0) return CopyStep::nothing_yet;
  if (size == -2) return broken();
  TRY(finish());
  return CopyStep::end;
}

bool Session::wait(milliseconds timeout) { return interrupt_.wait(PQsocket(connection_), false, timeout); }

Result<void> Session::send_copy(std::string_view data) {
  if (PQputCopyData(connection_, data.data(), static_cast<int>(data.size())) < 0) return broken();
  return flush();
}

}  // namespace tidemill::connect::postgres
