#include "serve/http/origin.h"

namespace tidemill::serve {
namespace {

std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, host.find(']') + 1);
  return host.substr(0, host.rfind(':'));
}

// Digits and dots only, or in brackets: no name service is asked for it.
bool is_literal(std::string_view host) {
  return host.starts_with('[') || host.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool is_localhost(std::string_view host) {
  return http::same_name(host, "localhost") || (host.size() > 10 && http::same_name(host.substr(host.size() - 10), ".localhost"));
}

bool harmless(std::string_view method) { return method == "GET" || method == "HEAD" || method == "OPTIONS"; }

}  // namespace

std::optional<std::string> origin_problem(const http::Request& request, const std::vector<std::string>& hosts_allowed) {
  auto host = without_port(request.headers.get("Host"));
  auto allowed = [&](auto& name) { return http::same_name(name, host); };
  if (!is_literal(host) && !is_localhost(host) && std::none_of(hosts_allowed.begin(), hosts_allowed.end(), allowed)) {
    return "the host name \"" + std::string(host) + "\" is not allowed here; use the address, localhost, or add it to http.hosts_allowed";
  }
  if (!harmless(request.method) && http::same_name(request.headers.get("Sec-Fetch-Site"), "cross-site")) {
    return "a page of another site may not change anything here";
  }
  return std::nullopt;
}

}  // namespace tidemill::serve
