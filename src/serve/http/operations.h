// What operators ask the HTTP port: /metrics (Prometheus text 0.0.4), /livez (the process answers) and /readyz (recovery is done and
// writing works, else 503 with the reason).
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "serve/http/http_server.h"

namespace tidemill::serve {

// Why the server is not ready, or nullopt when it is. Called on shards; must not block.
using Readiness = std::function<std::optional<std::string>()>;

void add_operations(HttpServer& server, Readiness not_ready);

}  // namespace tidemill::serve
