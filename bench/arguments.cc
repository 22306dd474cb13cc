#include "arguments.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace tidemill::bench {

void give_up(const std::string& why) {
  std::fprintf(stderr, "bench: %s\n", why.c_str());
  std::exit(1);
}

Arguments::Arguments(int argc, char** argv) {
  for (int i = 1; i < argc; i += 2) {
    std::string name = argv[i];
    if (!name.starts_with("--") || i + 1 >= argc) give_up("expected --name value, got " + name);
    given_[name.substr(2)] = argv[i + 1];
  }
}

std::string Arguments::text(const std::string& name, const std::string& otherwise) {
  asked_.insert(name);
  auto at = given_.find(name);
  return at == given_.end() ? otherwise : at->second;
}

double Arguments::number(const std::string& name, double otherwise) {
  auto given = text(name, "");
  return given.empty() ? otherwise : std::strtod(given.c_str(), nullptr);
}

void Arguments::no_others() const {
  for (auto& [name, value] : given_)
    if (!asked_.contains(name)) give_up("there is no --" + name);
}

double now_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace tidemill::bench
