#include "serve/http/router.h"

#include "base/check.h"

namespace tidemill::serve {
namespace {

// "/a/b/" and "/a/b" are the same two segments.
std::vector<std::string_view> segments_of(std::string_view path) {
  std::vector<std::string_view> parts;
  if (path.starts_with('/')) path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  while (!path.empty()) {
    auto slash = path.find('/');
    parts.push_back(path.substr(0, slash));
    path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
  }
  return parts;
}

std::string joined(const std::vector<std::string_view>& parts, std::size_t from) {
  std::string all;
  for (auto i = from; i < parts.size(); ++i) all.append(i == from ? "" : "/").append(parts[i]);
  return all;
}

}  // namespace

void Router::add(std::string_view method, std::string_view pattern, std::size_t index) {
  CHECK(pattern.starts_with('/'), "pattern {}", pattern);
  Route route{std::string(method), {}, {}, index};
  for (auto part : segments_of(pattern)) {
    CHECK(!route.rank.ends_with('c'), "nothing may follow a rest: {}", pattern);
    auto kind = !part.starts_with('{') ? Segment::Kind::fixed : part.ends_with("...}") ? Segment::Kind::rest : Segment::Kind::parameter;
    auto text = kind == Segment::Kind::fixed ? part : part.substr(1, part.size() - (kind == Segment::Kind::rest ? 5 : 2));
    route.segments.push_back({kind, std::string(text)});
    route.rank += kind == Segment::Kind::fixed ? 'a' : kind == Segment::Kind::parameter ? 'b' : 'c';
  }
  auto after = std::upper_bound(routes_.begin(), routes_.end(), route.rank, [](auto& rank, auto& other) { return rank < other.rank; });
  routes_.insert(after, std::move(route));
}

bool Router::matches(const Route& route, const std::vector<std::string_view>& parts) {
  bool rest = !route.segments.empty() && route.segments.back().kind == Segment::Kind::rest;
  auto fixed = route.segments.size() - (rest ? 1 : 0);
  if (rest ? parts.size() < fixed : parts.size() != fixed) return false;
  for (std::size_t i = 0; i < fixed; ++i) {
    if (route.segments[i].kind == Segment::Kind::fixed && route.segments[i].text != parts[i]) return false;
  }
  return true;
}

bool Router::read_params(const Route& route, const std::vector<std::string_view>& parts, http::Fields& params) {
  for (std::size_t i = 0; i < route.segments.size(); ++i) {
    auto& segment = route.segments[i];
    if (segment.kind == Segment::Kind::fixed) continue;
    auto value = segment.kind == Segment::Kind::rest ? http::percent_decoded(joined(parts, i), false) : http::percent_decoded(parts[i], false);
    if (!value) return false;
    params.insert_or_assign(segment.text, std::move(*value));
  }
  return true;
}

Router::Found Router::find(std::string_view method, std::string_view raw_path) const {
  using Kind = Found::Kind;
  auto parts = segments_of(raw_path);
  auto wanted = method == "HEAD" ? "GET" : method;
  Found found;
  for (auto& route : routes_) {
    if (!matches(route, parts)) continue;
    if (route.method == wanted) {
      found.index = route.index;
      found.kind = read_params(route, parts, found.params) ? Kind::route : Kind::bad_escape;
      return found;
    }
    found.kind = Kind::no_method;
    if (found.allow.find(route.method) == std::string::npos) found.allow.append(found.allow.empty() ? "" : ", ").append(route.method);
  }
  return found;
}

}  // namespace tidemill::serve
