// Router: from method and path to the route that answers. Patterns as in http_server.h. The path is cut while still encoded, so
// that a %2F inside a name stays inside. Linear over the routes; fine below a few hundred.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "wire/http/http.h"

namespace tidemill::serve {

class Router {
 public:
  // `index` is the caller's, given back by find().
  void add(std::string_view method, std::string_view pattern, std::size_t index);

  struct Found {
    enum class Kind { route, no_path, no_method, bad_escape } kind = Kind::no_path;
    std::size_t index = 0;
    http::Fields params;
    std::string allow;  // for no_method: "GET, POST"
  };
  Found find(std::string_view method, std::string_view raw_path) const;

 private:
  struct Segment {
    enum class Kind { fixed, parameter, rest } kind;
    std::string text;  // what must stand there, or the parameter's name
  };
  struct Route {
    std::string method;
    std::vector<Segment> segments;
    std::string rank;  // one letter per segment, the more definite first in the alphabet
    std::size_t index;
  };
  static bool matches(const Route& route, const std::vector<std::string_view>& parts);
  static bool read_params(const Route& route, const std::vector<std::string_view>& parts, http::Fields& params);

  std::vector<Route> routes_;  // sorted by rank
};

}  // namespace tidemill::serve
