// What a web page of somebody else may not do to a server on this machine. A browser on the same machine reaches our loopback
// ports; two checks keep foreign pages out as long as there is no login: the Host must be a name that cannot be re-bound to us by
// somebody's DNS, and a request that changes something must not come from another site.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "wire/http/http.h"

namespace tidemill::serve {

// Why the request is refused (403), or nullopt.
std::optional<std::string> origin_problem(const http::Request& request, const std::vector<std::string>& hosts_allowed);

}  // namespace tidemill::serve
