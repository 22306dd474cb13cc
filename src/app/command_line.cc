#include "app/command_line.h"

#include <fmt/core.h>

#include <algorithm>

namespace tidemill::app {
namespace {

struct Option {
  const char* name;
  const char* value;  // what stands for the value in help; nullptr: a flag
  const char* meaning;
};
struct Command {
  const char* name;
  const char* meaning;
  const char* example;
  std::vector<Option> options;
};

const Option help{"help", nullptr, "show this and stop"};
const Option set{"set", "KEY=VALUE", "one setting, over the configuration file; may be repeated (docs/settings.md)"};

const std::vector<Command>& commands() {
  static const std::vector<Command> all{
      {"start", "run the server in the foreground; SIGTERM or Ctrl-C stops it cleanly", "tidemill start --data /var/lib/tidemill --set kafka.listen=127.0.0.1:9092",
       {{"config", "FILE", "a YAML file with settings"}, {"data", "DIR", "where everything is kept (the setting data.dir)"}, set, help}},
      {"demo", "a private PostgreSQL, a shop that keeps changing it, and the server", "tidemill demo --dir /tmp/demo",
       {{"dir", "DIR", "where the demo keeps its data; without it /var/lib/tidemill-demo for root, else ~/.local/share/tidemill-demo"},
        {"rate", "N", "the shop's transactions per second (50)"},
        set,
        help}},
      {"backup", "make a copy of a running server's log, consistent up to one moment", "tidemill backup --data /var/lib/tidemill --to /backups/monday",
       {{"config", "FILE", "the server's YAML file, for its data.dir"}, {"data", "DIR", "the data directory of the running server"}, {"to", "DIR", "a folder that does not exist; on the same file system finished files are linked"}, set, help}},
      {"restore", "make a new data directory from a backup", "tidemill restore --from /backups/monday --data /var/lib/tidemill2",
       {{"from", "DIR", "what tidemill backup made"}, {"data", "DIR", "a folder that does not exist, or is empty"}, {"to-jsn", "N", "leave out everything behind group N"}, {"config", "FILE", "a YAML file, for its data.dir"}, set, help}},
      {"scrub", "check everything on the disk of a stopped server; changes nothing. Exit code 0: clean, 1: damage found, 2: could not check",
       "tidemill scrub --data /var/lib/tidemill",
       {{"config", "FILE", "the server's YAML file, for its data.dir"}, {"data", "DIR", "the data directory"}, {"json", nullptr, "one JSON object per finding, a summary last"}, set, help}},
      {"version", "print the version", "tidemill version", {help}},
      {"help", "print this, or the options of one command", "tidemill help start", {}},
  };
  return all;
}

const Command* find_command(const std::string& name) {
  for (auto& c : commands())
    if (name == c.name) return &c;
  return nullptr;
}

Error usage(std::string message) { return fail(Code::invalid, std::move(message), "tidemill help shows what there is"); }

Result<void> take_option(CommandLine& line, const Command& command, const Option& option, std::string value) {
  if (std::string(option.name) != "set") {
    line.options[option.name] = std::move(value);
    return {};
  }
  auto equals = value.find('=');
  if (equals == std::string::npos || equals == 0) return usage(fmt::format("--set takes KEY=VALUE, not \"{}\"", value));
  line.sets.emplace_back(value.substr(0, equals), value.substr(equals + 1));
  return {};
}

}  // namespace

Result<CommandLine> read_command_line(int argc, const char* const* argv) {
  CommandLine line;
  if (argc < 2) return usage("no command given");
  line.command = argv[1];
  if (line.command == "--help" || line.command == "-h") line.command = "help";
  if (line.command == "--version") line.command = "version";
  auto* command = find_command(line.command);
  if (!command) return usage(fmt::format("there is no command \"{}\"", line.command));
  for (int i = 2; i < argc; ++i) {
    std::string word = argv[i];
    if (line.command == "help") {
      line.options["topic"] = word;
      continue;
    }
    if (word == "-h") word = "--help";
    if (!word.starts_with("--")) return usage(fmt::format("\"{}\" is not expected here", word));
    auto equals = word.find('=');
    auto name = word.substr(2, equals == std::string::npos ? std::string::npos : equals - 2);
    auto option = std::find_if(command->options.begin(), command->options.end(), [&](auto& o) { return name == o.name; });
    if (option == command->options.end()) return usage(fmt::format("{} has no option --{}", line.command, name));
    std::string value = "true";
    if (option->value && equals != std::string::npos) value = word.substr(equals + 1);
    else if (option->value && i + 1 < argc) value = argv[++i];
    else if (option->value) return usage(fmt::format("--{} needs a value: --{} {}", name, name, option->value));
    TRY(take_option(line, *command, *option, std::move(value)));
  }
  return line;
}

std::string help_text(const std::string& name) {
  if (auto* command = find_command(name); command && name != "help") {
    auto out = fmt::format("tidemill {}: {}\n\n  {}\n\n", command->name, command->meaning, command->example);
    for (auto& o : command->options) {
      auto left = fmt::format("--{}{}{}", o.name, o.value ? " " : "", o.value ? o.value : "");
      out += fmt::format("  {:<18} {}\n", left, o.meaning);
    }
    return out;
  }
  std::string out = "Tidemill: changes from databases in, kept in a durable log, turned with SQL, served while fresh.\n\n";
  for (auto& c : commands()) out += fmt::format("  {:<9} {}\n", c.name, c.meaning);
  return out + "\n  tidemill COMMAND --help shows the options of one.\n";
}

}  // namespace tidemill::app
