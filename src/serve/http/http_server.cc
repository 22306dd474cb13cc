#include "serve/http/http_server.h"

#include <fmt/core.h>

#include <mutex>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "observe/log.h"
#include "runtime/seldom.h"
#include "runtime/task_group.h"
#include "serve/http/session.h"

namespace tidemill::serve {

Response default_error(int status, const std::string& message) {
  nlohmann::json body{{"error_code", status}, {"message", message}};
  return Response::json(status, body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

// Shared with its sessions, so that the last of them may end after the server object has gone.
struct HttpServer::Inside : std::enable_shared_from_this<HttpServer::Inside> {
  Inside(world::Net& n, runtime::Shards& s, HttpServerOptions options) : net(n), shards(s), routes(std::make_shared<Routes>(std::move(options))) {}

  Task<void> accept_all();
  void admit(std::unique_ptr<world::Connection> connection, world::Loop& loop);
  Task<void> turn_away(std::unique_ptr<world::Connection> connection);
  Task<void> forget_after(Task<void> last, std::shared_ptr<Session> session);
  void begin_stop();
  void warn_of(const Error& why);

  world::Net& net;
  runtime::Shards& shards;
  std::shared_ptr<Routes> routes;
  world::Loop* listener_loop = nullptr;
  std::unique_ptr<world::Listener> listener;
  runtime::TaskGroup group;
  runtime::Seldom accept_failures{std::chrono::minutes(1)};

  std::mutex mutex;
  std::unordered_map<Session*, std::weak_ptr<Session>> sessions;
};

Task<void> HttpServer::Inside::accept_all() {
  for (;;) {
    auto& shard = shards.pick();
    auto connection = co_await listener->accept(shard.loop);
    if (connection) {
      admit(std::move(*connection), shard.loop);
    } else if (connection.error().code == Code::cancelled) {
      co_return;
    } else {
      // Out of descriptors, most likely: some will come back.
      warn_of(connection.error());
      auto pause = world::sleep_for(*listener_loop, std::chrono::milliseconds(50));
      co_await pause;
    }
  }
}

void HttpServer::Inside::admit(std::unique_ptr<world::Connection> connection, world::Loop& loop) {
  std::unique_lock hold(mutex);
  auto& options = routes->options;
  if (options.seats && !options.seats->take()) return routes->refused.add();  // not even a courtesy: its descriptor is needed
  if (sessions.size() >= options.connections_max) {
    hold.unlock();
    routes->refused.add();
    group.spawn(loop, turn_away(std::move(connection)));
    return;
  }
  auto session = std::make_shared<Session>(routes, loop, std::move(connection));
  sessions.emplace(session.get(), session);
  hold.unlock();
  // Registered before it is spawned: a stop that comes between the two closes it, or refuses it here.
  bool in = group.spawn(loop, forget_after(session->answer(session), session)) && group.spawn(loop, session->read(session));
  if (!in) loop.post([session] { session->shut(); });
}

void HttpServer::Inside::warn_of(const Error& why) {
  auto unsaid = accept_failures.now(routes->options.clock.monotonic_ns());
  if (unsaid) log_warn("http.accept", {{"listener", routes->options.name}, {"error.message", why.text()}, {"log.unsaid", *unsaid}});
}

Task<void> HttpServer::Inside::forget_after(Task<void> last, std::shared_ptr<Session> session) {
  {
    auto task = std::move(last);
    co_await task;
  }
  std::lock_guard hold(mutex);
  sessions.erase(session.get());
  if (routes->options.seats) routes->options.seats->leave();
}

Task<void> HttpServer::Inside::turn_away(std::unique_ptr<world::Connection> connection) {
  auto response = routes->options.error_shape(503, "too many connections");
  std::vector<Slice> parts{Slice::own(http::response_head(503, response.headers, http::Framing::length, response.body.size(), false)), response.body};
  auto sent = co_await connection->write(std::move(parts));
  (void)sent;  // it was a courtesy
  connection->close();
  if (routes->options.seats) routes->options.seats->leave();
}

void HttpServer::Inside::begin_stop() {
  group.close();
  if (listener_loop) listener_loop->post([self = shared_from_this()] { self->listener->close(); });
  std::lock_guard hold(mutex);
  for (auto& [key, weak] : sessions) {
    if (auto session = weak.lock()) session->loop().post([session] { session->shut(); });
  }
}

HttpServer::HttpServer(world::Net& net, runtime::Shards& shards, HttpServerOptions options)
    : inside_(std::make_shared<Inside>(net, shards, std::move(options))) {}

HttpServer::~HttpServer() { stop(); }

void HttpServer::route(std::string_view method, std::string_view pattern, Handler handler) {
  CHECK(!inside_->listener, "routes come before start()");
  auto& routes = *inside_->routes;
  routes.router.add(method, pattern, routes.routes.size());
  routes.routes.push_back({std::move(handler), nullptr});
}

void HttpServer::route_stream(std::string_view method, std::string_view pattern, StreamHandler handler) {
  CHECK(!inside_->listener, "routes come before start()");
  auto& routes = *inside_->routes;
  routes.router.add(method, pattern, routes.routes.size());
  routes.routes.push_back({nullptr, std::move(handler)});
}

Result<void> HttpServer::start() {
  auto& loop = inside_->shards.pick().loop;
  TRY_ASSIGN(listener, inside_->net.listen(loop, inside_->routes->options.address));
  inside_->listener = std::move(listener);
  inside_->listener_loop = &loop;
  inside_->group.spawn(loop, inside_->accept_all());
  return {};
}

world::Address HttpServer::address() const {
  CHECK(inside_->listener, "address() comes after start()");
  return inside_->listener->address();
}

void HttpServer::begin_stop() { inside_->begin_stop(); }
bool HttpServer::stopped() const { return inside_->group.closed() && inside_->group.running() == 0; }

void HttpServer::stop() {
  begin_stop();
  inside_->group.close_and_wait();
}

}  // namespace tidemill::serve
