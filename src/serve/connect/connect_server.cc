#include "serve/connect/connect_server.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

namespace tidemill::serve {
namespace {

using Json = nlohmann::json;

int http_status(const Error& error) {
  switch (error.code) {
    case Code::not_found: return 404;
    case Code::already_exists: return 409;
    case Code::invalid:
    case Code::unsupported: return 400;
    case Code::full:
    case Code::busy:
    case Code::unavailable: return 503;
    default: return 500;
  }
}

std::string dumped(const Json& j) { return j.dump(-1, ' ', false, Json::error_handler_t::replace); }

Result<connect::ConfigMap> read_config(const Json& j) {
  connect::ConfigMap config;
  if (!j.is_object()) return fail(Code::invalid, "the configuration is not a JSON object of properties");
  for (auto& [name, value] : j.items()) {
    if (value.is_null()) continue;
    config[name] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return config;
}

Result<Json> read_body(const Request& request) {
  auto j = Json::parse(request.body.text(), nullptr, false);
  if (j.is_discarded()) return fail(Code::invalid, "the body is not JSON");
  return j;
}

}  // namespace

ConnectServer::ConnectServer(world::Net& net, runtime::Shards& shards, connect::Connectors& connectors, HttpServerOptions options)
    : connectors_(connectors), http_(net, shards, std::move(options)) {
  route("GET", "/", &ConnectServer::root);
  route("GET", "/connectors", &ConnectServer::list);
  route("POST", "/connectors", &ConnectServer::create);
  route("GET", "/connectors/{name}", &ConnectServer::show);
  route("DELETE", "/connectors/{name}", &ConnectServer::erase);
  route("GET", "/connectors/{name}/config", &ConnectServer::config);
  route("PUT", "/connectors/{name}/config", &ConnectServer::put_config);
  route("GET", "/connectors/{name}/status", &ConnectServer::status);
}

ConnectServer::~ConnectServer() { stop(); }

void ConnectServer::stop() {
  http_.stop();
  pool_.stop();
}

// Changes wait for the disk, so every request runs on the pool and is answered on its connection's own loop.
Task<void> ConnectServer::answer(Work work, Request request, ResponseStream& out) {
  auto job = [this, work, &request] { return (this->*work)(request); };
  auto answered = co_await runtime::run_on(pool_, out.loop(), std::move(job));
  Response response;
  if (answered) {
    response = std::move(*answered);
  } else {
    auto status = http_status(answered.error());
    response = Response::json(status, dumped({{"error_code", status}, {"message", answered.error().text()}}));
  }
  if (auto started = co_await out.start(response.status, std::move(response.headers)); !started) co_return;
  // A client that has gone needs no answer.
  if (!response.body.empty()) (void)co_await out.write(std::move(response.body));
  (void)co_await out.finish();
}

void ConnectServer::route(const char* method, const char* pattern, Work work) {
  http_.route_stream(method, pattern, [this, work](Request request, ResponseStream& out) { return answer(work, std::move(request), out); });
}

Result<Response> ConnectServer::root(const Request&) { return Response::json(200, R"({"version":"0.1.0","commit":"tidemill","kafka_cluster_id":"tidemill"})"); }

Result<Response> ConnectServer::list(const Request&) { return Response::json(200, dumped(connectors_.names(default_tenant))); }

Result<std::string> ConnectServer::info(const std::string& name) const {
  TRY_ASSIGN(shown, connectors_.shown_config(default_tenant, name));
  return dumped({{"name", name}, {"config", shown}, {"tasks", {{{"connector", name}, {"task", 0}}}}, {"type", "source"}});
}

Result<Response> ConnectServer::create(const Request& request) {
  TRY_ASSIGN(body, read_body(request));
  if (!body.is_object() || !body.contains("name") || !body["name"].is_string() || !body.contains("config"))
    return fail(Code::invalid, "the body needs \"name\" and \"config\"");
  auto name = body["name"].get<std::string>();
  if (connectors_.shown_config(default_tenant, name)) return fail(Code::already_exists, fmt::format("Connector {} already exists", name), "PUT its config to change it");
  TRY_ASSIGN(config, read_config(body["config"]));
  TRY(connectors_.put(default_tenant, name, std::move(config)));
  TRY_ASSIGN(made, info(name));
  return Response::json(201, std::move(made));
}

Result<Response> ConnectServer::put_config(const Request& request) {
  TRY_ASSIGN(body, read_body(request));
  TRY_ASSIGN(config, read_config(body));
  auto name = std::string(request.param("name"));
  bool there = connectors_.shown_config(default_tenant, name).has_value();
  TRY(connectors_.put(default_tenant, name, std::move(config)));
  TRY_ASSIGN(made, info(name));
  return Response::json(there ? 200 : 201, std::move(made));
}

Result<Response> ConnectServer::show(const Request& request) {
  TRY_ASSIGN(shown, info(std::string(request.param("name"))));
  return Response::json(200, std::move(shown));
}

Result<Response> ConnectServer::config(const Request& request) {
  TRY_ASSIGN(shown, connectors_.shown_config(default_tenant, std::string(request.param("name"))));
  return Response::json(200, dumped(shown));
}

Result<Response> ConnectServer::status(const Request& request) {
  auto name = std::string(request.param("name"));
  TRY_ASSIGN(now, connectors_.status(default_tenant, name));
  Json state{{"state", connect::state_name(now.state)}, {"worker_id", "tidemill"}};
  Json task = state;
  task["id"] = 0;
  if (!now.trace.empty()) task["trace"] = now.trace;
  return Response::json(200, dumped({{"name", name}, {"connector", state}, {"tasks", Json::array({task})}, {"type", "source"},
                                     {"tidemill", {{"warnings", now.warnings}, {"progress", now.progress}}}}));
}

Result<Response> ConnectServer::erase(const Request& request) {
  TRY(connectors_.erase(default_tenant, std::string(request.param("name"))));
  Response done;
  done.status = 204;
  return done;
}

}  // namespace tidemill::serve
