#include "app/private_postgres.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "app/child_process.h"

namespace tidemill::app {
namespace {

namespace fs = std::filesystem;
constexpr const char* bin = "/usr/lib/postgresql/15/bin";
constexpr int usual_port = 5442;

std::vector<std::string> as_postgres(std::vector<std::string> argv) {
  if (geteuid() != 0) return argv;
  std::vector<std::string> all{"runuser", "-u", "postgres", "--"};
  all.insert(all.end(), argv.begin(), argv.end());
  return all;
}

bool port_is_free(int port) {
  int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  bool ok = bind(s, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(s);
  return ok;
}

int choose_port() {
  for (int port = usual_port; port < usual_port + 100; ++port)
    if (port_is_free(port)) return port;
  return usual_port;
}

// The port of a server that is running on this folder already (one that outlived a killed demo), or 0.
int running_port(const std::string& data) {
  std::ifstream file(data + "/postmaster.pid");
  std::string pid, line, program;
  std::getline(file, pid);
  // After a crash of the machine the file stays, and somebody else may have the number now.
  std::getline(std::ifstream("/proc/" + pid + "/comm"), program);
  if (program != "postgres") return 0;
  for (int i = 0; i < 3; ++i) std::getline(file, line);
  return std::atoi(line.c_str());
}

Result<void> give_to_postgres(const std::string& dir) {
  if (geteuid() != 0) return {};
  auto* user = getpwnam("postgres");
  if (!user) return fail(Code::not_found, "there is no user postgres", "install PostgreSQL: apt-get install postgresql-15");
  if (chown(dir.c_str(), user->pw_uid, user->pw_gid) != 0) return fail(Code::refused, fmt::format("cannot give {} to user postgres", dir));
  for (auto above = fs::path(dir).parent_path(); above != above.root_path(); above = above.parent_path()) {
    struct stat s {};
    if (stat(above.c_str(), &s) == 0 && !(s.st_mode & S_IXOTH))
      return fail(Code::refused, fmt::format("user postgres cannot reach {} through {}", dir, above.string()),
                  fmt::format("choose another folder with --dir, or chmod o+x {}", above.string()));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<PrivatePostgres>> PrivatePostgres::start(std::string dir) {
  if (access((std::string(bin) + "/postgres").c_str(), X_OK) != 0)
    return fail(Code::not_found, fmt::format("PostgreSQL 15 is not in {}", bin), "apt-get install postgresql-15, or use ./run, which does");
  std::error_code ignored;
  fs::create_directories(dir, ignored);
  TRY(give_to_postgres(dir));
  std::unique_ptr<PrivatePostgres> postgres(new PrivatePostgres(std::move(dir), 0));
  if (!fs::exists(postgres->dir_ + "/data/PG_VERSION", ignored)) TRY(postgres->run_initdb());
  postgres->port_ = running_port(postgres->dir_ + "/data");
  if (postgres->port_ == 0) {
    postgres->port_ = choose_port();
    TRY(postgres->run_server());
  }
  TRY(postgres->wait_until_it_answers());
  return postgres;
}

PrivatePostgres::~PrivatePostgres() { stop(); }

std::string PrivatePostgres::conninfo() const {
  return fmt::format("host=127.0.0.1 port={} user={} dbname=postgres connect_timeout=5", port_, user());
}

Result<void> PrivatePostgres::run_initdb() {
  auto log = dir_ + "/initdb.log";
  TRY_ASSIGN(pid, start_process(as_postgres({std::string(bin) + "/initdb", "-D", dir_ + "/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"}), log));
  if (wait_process(pid) != 0) return fail(Code::io, "initdb failed", "see " + log);
  return {};
}

Result<void> PrivatePostgres::run_server() {
  auto sockets = dir_ + "/data";
  TRY_ASSIGN(pid, start_process(as_postgres({std::string(bin) + "/postgres", "-D", dir_ + "/data", "-p", std::to_string(port_), "-c", "wal_level=logical", "-c",
                                             "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + sockets, "-c", "max_slot_wal_keep_size=4GB"}),
                                dir_ + "/postgres.log"));
  pid_ = pid;
  return {};
}

Result<void> PrivatePostgres::wait_until_it_answers() {
  auto info = conninfo();
  for (int i = 0; i < 600; ++i) {
    if (PQping(info.c_str()) == PQPING_OK) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return fail(Code::unavailable, fmt::format("PostgreSQL does not answer on port {}", port_), "see " + dir_ + "/postgres.log");
}

void PrivatePostgres::stop() {
  if (port_ == 0) return;
  if (auto pid = start_process(as_postgres({std::string(bin) + "/pg_ctl", "-D", dir_ + "/data", "-m", "fast", "-w", "stop"}), dir_ + "/postgres.log")) wait_process(*pid);
  if (pid_ > 0) wait_process(pid_);
  port_ = 0;
}

}  // namespace tidemill::app
