// The drivers' command line: --name value pairs, each with a default. A name that nobody asks for ends the driver, so that a typing
// error does not measure something else.
#pragma once

#include <map>
#include <set>
#include <string>

namespace tidemill::bench {

[[noreturn]] void give_up(const std::string& why);

class Arguments {
 public:
  Arguments(int argc, char** argv);
  std::string text(const std::string& name, const std::string& otherwise);
  double number(const std::string& name, double otherwise);
  void no_others() const;

 private:
  std::map<std::string, std::string> given_;
  std::set<std::string> asked_;
};

double now_s();

}  // namespace tidemill::bench
