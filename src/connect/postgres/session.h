// One connection to PostgreSQL, for SQL, COPY and replication. Owned by one thread; every wait ends within moments when the interrupt is
// told to stop (Code::cancelled). What PostgreSQL says is wrong comes back as an Error that names the remedy, never a password.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "connect/interrupt.h"

struct pg_conn;
struct pg_result;

namespace tidemill::connect::postgres {

struct Server {
  std::string host = "localhost";
  std::string port = "5432";
  std::string user, password, database;
  std::string sslmode = "prefer";
  std::string sslrootcert, sslcert, sslkey;
};

// The rows that a statement gave.
class Rows {
 public:
  explicit Rows(pg_result* result) : result_(result) {}
  Rows(Rows&& other) noexcept : result_(std::exchange(other.result_, nullptr)) {}
  Rows& operator=(Rows&& other) noexcept { std::swap(result_, other.result_); return *this; }
  ~Rows();

  int size() const;
  bool null(int row, int column) const;
  std::string_view at(int row, int column) const;  // empty for null
  std::string text(int row, int column) const { return std::string(at(row, column)); }

 private:
  pg_result* result_;
};

enum class CopyStep : std::uint8_t { row, nothing_yet, end };

class Session {
 public:
  enum class Use { sql, replication };
  static Result<std::unique_ptr<Session>> open(const Server& server, Use use, Interrupt& interrupt);
  ~Session();

  Result<Rows> query(const std::string& sql);
  Result<Rows> query(const std::string& sql, const std::vector<std::string>& parameters);  // not on replication connections
  std::string literal(std::string_view text) const;     // quoted for SQL
  std::string identifier(std::string_view name) const;
  int server_version() const;  // 150004
  std::string setting(const char* name) const;  // as reported at connect: server_encoding

  // COPY ... TO STDOUT or START_REPLICATION; then next() until `end`.
  Result<void> start_copy(const std::string& sql);
  // `data` is valid until the next call. Never waits; reads what the socket holds.
  Result<CopyStep> next(std::string_view& data);
  // Waits for more to read, for a ring of the interrupt, or for the time to pass. True when there is something to read.
  bool wait(std::chrono::milliseconds timeout);
  // Replication only: a message to the server.
  Result<void> send_copy(std::string_view data);

 private:
  Session(pg_conn* connection, Interrupt& interrupt, Server server);
  Result<void> connect();
  Result<Rows> finish();
  Result<pg_result*> next_result();
  Result<void> flush();
  Error broken() const;

  pg_conn* connection_;
  Interrupt& interrupt_;
  Server server_;  // without its password
  char* row_ = nullptr;
};

}  // namespace tidemill::connect::postgres
