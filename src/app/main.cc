// tidemill: one binary, all commands. Signals are taken here, by the main thread alone.
#include <fmt/core.h>
#include <pthread.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "app/backup_command.h"
#include "app/command_line.h"
#include "app/demo.h"
#include "app/exit_code.h"
#include "app/scrub_command.h"
#include "app/server.h"
#include "base/version.h"
#include "settings/settings.h"
#include "world/disk.h"
#include "world/real.h"

namespace tidemill::app {
namespace {

constexpr std::size_t config_bytes_max = 1 << 20;

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

int complain(const Error& error) {
  fmt::print(stderr, "tidemill: {}\n", error.message);
  if (!error.hint.empty()) fmt::print(stderr, "  hint: {}\n", error.hint);
  return exit_for(error);
}

Result<settings::Settings> read_settings(const CommandLine& line) {
  settings::Settings settings;
  if (auto file = line.option("config"); !file.empty()) {
    auto text = world::read_file(world::real_disk(), file, config_bytes_max);
    if (!text) return fail(text.error().code, text.error().message, "--config takes a YAML file; docs/settings.md has an example");
    TRY(settings::apply_yaml(settings, *text, file));
  }
  if (auto data = line.option("data"); !data.empty()) TRY(settings::apply(settings, "data.dir", data));
  for (auto& [key, value] : line.sets) TRY(settings::apply_override(settings, key + "=" + value));
  TRY(settings::check(settings));
  return settings;
}

int start(const CommandLine& line) {
  auto settings = read_settings(line);
  if (!settings) return complain(settings.error());
  auto server = Server::start(*settings);
  if (!server) return complain(server.error());
  auto signals = stop_signals();
  int signal = 0;
  sigwait(&signals, &signal);
  (*server)->stop();
  return exit_ok;
}

int demo(const CommandLine& line) {
  auto settings = read_settings(line);
  if (!settings) return complain(settings.error());
  auto dir = std::filesystem::absolute(line.option("dir", default_demo_dir())).string();
  if (auto set = settings::apply(*settings, "data.dir", dir + "/data"); !set) return complain(set.error());
  auto rate = std::atoi(line.option("rate", "50").c_str());
  if (rate < 1 || rate > 100000) return complain(fail(Code::invalid, "--rate takes a number from 1 to 100000"));
  std::atomic<bool> stop_wanted = false;
  std::thread waiting([&] {
    auto signals = stop_signals();
    int signal = 0;
    sigwait(&signals, &signal);
    stop_wanted = true;
    // A second Ctrl-C ends at once; the data are safe either way.
    sigwait(&signals, &signal);
    std::_Exit(exit_interrupted);
  });
  waiting.detach();
  auto ran = run_demo(*settings, dir, rate, stop_wanted);
  std::fflush(stdout);
  return ran ? exit_ok : complain(ran.error());
}

int backup_or_restore(const CommandLine& line) {
  auto settings = read_settings(line);
  if (!settings) return complain(settings.error());
  auto done = line.command == "backup" ? backup_command(settings->data_dir, line.option("to"))
                                       : restore_command(line.option("from"), settings->data_dir, line.option("to-jsn"));
  return done ? exit_ok : complain(done.error());
}

int scrub(const CommandLine& line) {
  auto settings = read_settings(line);
  if (!settings) return complain(settings.error()), scrub_failed;
  return scrub_command(settings->data_dir, line.options.contains("json"));
}

int run(int argc, const char* const* argv) {
  auto line = read_command_line(argc, argv);
  if (!line) return complain(line.error());
  if (line->command == "version") return fmt::print("tidemill {}\n", version), exit_ok;
  if (line->command == "help" || line->options.contains("help"))
    return fmt::print("{}", help_text(line->command == "help" ? line->option("topic") : line->command)), exit_ok;
  // Before any thread starts, so that all of them leave the signals to us.
  auto signals = stop_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  if (line->command == "scrub") return scrub(*line);
  if (line->command == "backup" || line->command == "restore") return backup_or_restore(*line);
  return line->command == "demo" ? demo(*line) : start(*line);
}

}  // namespace
}  // namespace tidemill::app

int main(int argc, char** argv) {
  auto code = tidemill::app::run(argc, argv);
  std::fflush(stdout);
  std::_Exit(code);  // every room has been stopped; statics need no order of destruction
}
