#include "serve/connect/connect_server.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "base/version.h"
#include "serve/connect/plugin_json.h"

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

std::string name_in(const Request& request) { return std::string(request.param("name")); }

Result<connect::ConfigMap> read_config(const Json& j) {
  connect::ConfigMap config;
  if (!j.is_object()) return fail(Code::invalid, "the configuration is not a JSON object of properties");
  for (auto& [name, value] : j.items()) {
    if (value.is_null()) continue;
    if (value.is_structured()) return fail(Code::invalid, fmt::format("{} is not a text, a number or a boolean", name));
    config[name] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return config;
}

Result<Json> read_body(const Request& request) {
  auto j = Json::parse(request.body.text(), nullptr, false);
  if (j.is_discarded()) return fail(Code::invalid, "the body is not JSON");
  return j;
}

// A configuration may say its connector's name, but no other.
Result<void> check_name(const connect::ConfigMap& config, const std::string& name) {
  auto said = config.find("name");
  if (said == config.end() || said->second == name) return {};
  return fail(Code::invalid, fmt::format("the configuration is of connector \"{}\", but the request of \"{}\"", said->second, name), "make the names the same, or leave \"name\" out of it");
}

// expand=status&expand=info, or expand=status,info.
bool expands(const Request& request, std::string_view what) {
  std::string_view rest = request.raw_query;
  while (!rest.empty()) {
    auto pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    if (pair.starts_with("expand=") && pair.substr(7).find(what) != std::string_view::npos) return true;
  }
  return false;
}

// One that is paused keeps its task, as in Kafka Connect.
Json task_ids(const std::string& name) { return Json::array({Json{{"connector", name}, {"task", 0}}}); }

Result<Json> info_of(const connect::Connectors& connectors, const std::string& name) {
  TRY_ASSIGN(shown, connectors.shown_config(default_tenant, name));
  return Json{{"name", name}, {"config", shown}, {"tasks", task_ids(name)}, {"type", "source"}};
}

Json task_status_of(const connect::Status& now) {
  Json task{{"id", 0}, {"state", connect::state_name(now.state)}, {"worker_id", "tidemill"}};
  if (!now.trace.empty()) task["trace"] = now.trace;
  return task;
}

Result<Json> status_of(const connect::Connectors& connectors, const std::string& name) {
  TRY_ASSIGN(now, connectors.status(default_tenant, name));
  Json state{{"state", connect::state_name(now.state)}, {"worker_id", "tidemill"}};
  return Json{{"name", name}, {"connector", std::move(state)}, {"tasks", Json::array({task_status_of(now)})}, {"type", "source"},
              {"tidemill", {{"warnings", now.warnings}, {"progress", now.progress}}}};
}

Result<void> check_task(const Request& request) {
  if (request.param("task") == "0") return {};
  return fail(Code::not_found, fmt::format("connector \"{}\" has no task {}", request.param("name"), request.param("task")), "every connector here is one task, number 0");
}

Result<const connect::Plugin*> plugin_in(const Request& request) {
  if (auto* plugin = connect::find_plugin(request.param("class"))) return plugin;
  return fail(Code::not_found, fmt::format("there is no connector class \"{}\"", request.param("class")), fmt::format("known: {}", connect::plugins()[0].class_name));
}

Response empty(int status) {
  Response response;
  response.status = status;
  return response;
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
  route("POST", "/connectors/{name}/restart", &ConnectServer::restart);
  route("PUT", "/connectors/{name}/pause", &ConnectServer::pause);
  route("PUT", "/connectors/{name}/resume", &ConnectServer::resume);
  route("GET", "/connectors/{name}/topics", &ConnectServer::topics);
  route("GET", "/connectors/{name}/tasks", &ConnectServer::tasks);
  route("GET", "/connectors/{name}/tasks/{task}/status", &ConnectServer::task_status);
  route("POST", "/connectors/{name}/tasks/{task}/restart", &ConnectServer::restart_task);
  route("GET", "/connector-plugins", &ConnectServer::plugins);
  route("GET", "/connector-plugins/{class}/config", &ConnectServer::plugin_config);
  route("PUT", "/connector-plugins/{class}/config/validate", &ConnectServer::validate);
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

Result<Response> ConnectServer::root(const Request&) {
  return Response::json(200, fmt::format(R"({{"version":"{}","commit":"tidemill","kafka_cluster_id":"tidemill"}})", version));
}

Result<Response> ConnectServer::list(const Request& request) {
  auto names = connectors_.names(default_tenant);
  bool with_status = expands(request, "status"), with_info = expands(request, "info");
  if (!with_status && !with_info) return Response::json(200, dumped(names));
  Json all = Json::object();
  for (auto& name : names) {
    Json one = Json::object();
    // One that was deleted in this moment is left out.
    auto status = status_of(connectors_, name), info = info_of(connectors_, name);
    if (!status || !info) continue;
    if (with_status) one["status"] = std::move(*status);
    if (with_info) one["info"] = std::move(*info);
    all[name] = std::move(one);
  }
  return Response::json(200, dumped(all));
}

Result<Response> ConnectServer::create(const Request& request) {
  TRY_ASSIGN(body, read_body(request));
  if (!body.is_object() || !body.contains("name") || !body["name"].is_string() || !body.contains("config"))
    return fail(Code::invalid, "the body needs \"name\" and \"config\"");
  auto name = body["name"].get<std::string>();
  if (connectors_.shown_config(default_tenant, name)) return fail(Code::already_exists, fmt::format("Connector {} already exists", name), "PUT its config to change it");
  TRY_ASSIGN(config, read_config(body["config"]));
  TRY(check_name(config, name));
  TRY(connectors_.put(default_tenant, name, std::move(config)));
  TRY_ASSIGN(made, info_of(connectors_, name));
  return Response::json(201, dumped(made));
}

Result<Response> ConnectServer::put_config(const Request& request) {
  TRY_ASSIGN(body, read_body(request));
  TRY_ASSIGN(config, read_config(body));
  auto name = name_in(request);
  TRY(check_name(config, name));
  bool there = connectors_.shown_config(default_tenant, name).has_value();
  TRY(connectors_.put(default_tenant, name, std::move(config)));
  TRY_ASSIGN(made, info_of(connectors_, name));
  return Response::json(there ? 200 : 201, dumped(made));
}

Result<Response> ConnectServer::show(const Request& request) {
  TRY_ASSIGN(shown, info_of(connectors_, name_in(request)));
  return Response::json(200, dumped(shown));
}

Result<Response> ConnectServer::config(const Request& request) {
  TRY_ASSIGN(shown, connectors_.shown_config(default_tenant, name_in(request)));
  return Response::json(200, dumped(shown));
}

Result<Response> ConnectServer::status(const Request& request) {
  TRY_ASSIGN(now, status_of(connectors_, name_in(request)));
  return Response::json(200, dumped(now));
}

Result<Response> ConnectServer::erase(const Request& request) {
  TRY(connectors_.erase(default_tenant, name_in(request)));
  return empty(204);
}

// With includeTasks the answer is 202 and the status, as in Kafka Connect; the connector and its task are one thing here.
Result<Response> ConnectServer::restart(const Request& request) {
  auto name = name_in(request);
  TRY_ASSIGN(now, connectors_.status(default_tenant, name));
  if (request.query_value("onlyFailed") != "true" || now.state == connect::State::failed) TRY(connectors_.restart(default_tenant, name));
  if (request.query_value("includeTasks") != "true") return empty(204);
  TRY_ASSIGN(after, status_of(connectors_, name));
  return Response::json(202, dumped(after));
}

Result<Response> ConnectServer::restart_task(const Request& request) {
  TRY(check_task(request));
  TRY(connectors_.restart(default_tenant, name_in(request)));
  return empty(204);
}

Result<Response> ConnectServer::pause(const Request& request) {
  TRY(connectors_.pause(default_tenant, name_in(request), true));
  return empty(202);
}

Result<Response> ConnectServer::resume(const Request& request) {
  TRY(connectors_.pause(default_tenant, name_in(request), false));
  return empty(202);
}

Result<Response> ConnectServer::tasks(const Request& request) {
  auto name = name_in(request);
  TRY_ASSIGN(shown, connectors_.shown_config(default_tenant, name));
  return Response::json(200, dumped(Json::array({{{"id", {{"connector", name}, {"task", 0}}}, {"config", shown}}})));
}

Result<Response> ConnectServer::task_status(const Request& request) {
  TRY_ASSIGN(now, connectors_.status(default_tenant, name_in(request)));
  TRY(check_task(request));
  return Response::json(200, dumped(task_status_of(now)));
}

Result<Response> ConnectServer::topics(const Request& request) {
  auto name = name_in(request);
  TRY_ASSIGN(topics, connectors_.topics(default_tenant, name));
  Json answer = Json::object();
  answer[name]["topics"] = topics;
  return Response::json(200, dumped(answer));
}

Result<Response> ConnectServer::plugins(const Request&) { return Response::json(200, plugins_json()); }

Result<Response> ConnectServer::plugin_config(const Request& request) {
  TRY_ASSIGN(plugin, plugin_in(request));
  return Response::json(200, definitions_json(*plugin));
}

Result<Response> ConnectServer::validate(const Request& request) {
  TRY_ASSIGN(plugin, plugin_in(request));
  TRY_ASSIGN(body, read_body(request));
  TRY_ASSIGN(config, read_config(body));
  return Response::json(200, validation_json(*plugin, config));
}

}  // namespace tidemill::serve
