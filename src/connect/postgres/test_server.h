// For tests only: a PostgreSQL of their own in a temporary folder, stopped and removed at the end.
#pragma once

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <postgresql/libpq-fe.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace tidemill::connect::postgres {

class TestServer {
 public:
  TestServer() {
    char name[] = "/tmp/tidemill-pg-XXXXXX";
    dir_ = ::mkdtemp(name);
    port_ = free_port();
    if (::geteuid() == 0) shell(fmt::format("chown postgres {}", dir_));
    as_postgres(fmt::format("{}/initdb -D {}/data -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync", bin, dir_));
    start("");
  }
  ~TestServer() {
    stop();
    shell(fmt::format("rm -rf {}", dir_));
  }

  void start(const std::string& options) {
    as_postgres(fmt::format("{}/pg_ctl -D {}/data -l {}/log -w -o \"-p {} -k {} -c listen_addresses=127.0.0.1 -c wal_level=logical -c fsync=off "
                            "-c max_wal_senders=20 -c max_replication_slots=40 {}\" start", bin, dir_, dir_, port_, dir_, options));
  }
  void stop() { as_postgres(fmt::format("{}/pg_ctl -D {}/data -m immediate stop", bin, dir_)); }

  int port() const { return port_; }
  const std::string& dir() const { return dir_; }

  // The first column of the first row, or nothing.
  std::string sql(const std::string& database, const std::string& text) {
    auto* connection = PQconnectdb(fmt::format("host=127.0.0.1 port={} user=postgres dbname={}", port_, database).c_str());
    auto* result = PQexec(connection, text.c_str());
    auto status = PQresultStatus(result);
    EXPECT_TRUE(status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) << text << ": " << PQerrorMessage(connection);
    std::string out = PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "";
    PQclear(result);
    PQfinish(connection);
    return out;
  }

 private:
  static constexpr const char* bin = "/usr/lib/postgresql/15/bin";
  static int free_port() {
    int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    ::close(fd);
    return ntohs(address.sin_port);
  }
  static void shell(const std::string& command) { EXPECT_EQ(std::system((command + " >/dev/null 2>&1 </dev/null").c_str()), 0) << command; }
  static void as_postgres(const std::string& command) {
    shell(::geteuid() == 0 ? "cd / && runuser -u postgres -- " + command : command);
  }

  std::string dir_;
  int port_ = 0;
};

}  // namespace tidemill::connect::postgres
