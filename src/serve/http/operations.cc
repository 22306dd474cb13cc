#include "serve/http/operations.h"

#include "observe/metrics.h"

namespace tidemill::serve {
namespace {

Task<Response> show_metrics(Request) {
  co_return Response::typed(200, "text/plain; version=0.0.4; charset=utf-8", observe::metrics().exposition());
}

Task<Response> say_alive(Request) { co_return Response::text(200, "ok\n"); }

}  // namespace

void add_operations(HttpServer& server, Readiness not_ready) {
  server.route("GET", "/metrics", show_metrics);
  server.route("GET", "/livez", say_alive);
  server.route("GET", "/readyz", [not_ready = std::move(not_ready)](Request) -> Task<Response> {
    auto reason = not_ready();
    co_return reason ? Response::text(503, "not ready: " + *reason + "\n") : Response::text(200, "ok\n");
  });
}

}  // namespace tidemill::serve
