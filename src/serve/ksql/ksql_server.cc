#include "serve/ksql/ksql_server.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

namespace tidemill::serve::ksql {

using json = nlohmann::ordered_json;

namespace {

constexpr std::size_t write_bytes = 256u << 10;

Task<void> respond(Response response, ResponseStream& out) {
  auto started = co_await out.start(response.status, std::move(response.headers));
  if (!started) co_return;
  auto written = co_await out.write(std::move(response.body));
  if (!written) co_return;
  auto finished = co_await out.finish();
  (void)finished;  // the client has gone; nothing depends on it
}

Response error_page(int status, const std::string& message) {
  json body = {{"@type", "generic_error"}, {"error_code", status * 100}, {"message", message}};
  return Response::json(status, body.dump(-1, ' ', false, json::error_handler_t::replace));
}

// One tenant for now; a request for another is refused rather than answered with the wrong data.
std::optional<Refused> tenant_problem(const Request& request) {
  auto tenant = request.headers.get("X-Tidemill-Tenant");
  if (tenant.empty() || tenant == "default") return std::nullopt;
  return Refused{ErrorCode::bad_request, fmt::format("The tenant '{}' does not exist\nleave X-Tidemill-Tenant out", tenant), false, {}, "[]"};
}

}  // namespace

KsqlServer::KsqlServer(world::Net& net, runtime::Shards& shards, catalog::Catalog& catalog, flow::Queries& queries, KsqlOptions options)
    : net_(net), shards_(shards), catalog_(catalog), queries_(queries), options_(std::move(options)), statements_(catalog, queries),
      pool_("ksql", options_.threads, options_.waiting_max) {}

KsqlServer::~KsqlServer() { stop(); }

Result<world::Address> KsqlServer::start(world::Address address) {
  auto options = options_.http;
  options.name = "ksql";
  options.address = std::move(address);
  options.error_shape = error_page;
  http_ = std::make_unique<HttpServer>(net_, shards_, std::move(options));
  http_->route_stream("POST", "/ksql", [this](Request r, ResponseStream& out) { return run_statements(std::move(r), out); });
  http_->route_stream("POST", "/query", [this](Request r, ResponseStream& out) { return run_query(std::move(r), out, false); });
  http_->route_stream("POST", "/query-stream", [this](Request r, ResponseStream& out) { return run_query(std::move(r), out, true); });
  http_->route("POST", "/close-query", [this](Request r) { return close_query(std::move(r)); });
  add_pages();
  TRY(http_->start());
  return http_->address();
}

void KsqlServer::stop() {
  if (!http_) return;
  http_->stop();
  pool_.stop();
  http_.reset();
}

// --- POST /ksql

Task<void> KsqlServer::run_statements(Request request, ResponseStream& out) {
  auto problem = tenant_problem(request);
  auto asked = read_request(request.body.text());
  if (problem || !asked) {
    auto refusal = problem ? problem->response() : asked.error().response();
    co_await respond(std::move(refusal), out);
    co_return;
  }
  auto work = [this, query = std::move(*asked)]() -> Result<Response> {
    auto answer = statements_.run(default_tenant, query.sql, query.overrides);
    return answer ? Response::typed(200, "application/vnd.ksql.v1+json", std::move(*answer)) : answer.error().response();
  };
  auto ran = run_on(pool_, out.loop(), std::move(work));
  auto answer = co_await ran;
  auto response = answer ? std::move(*answer) : refused(answer.error()).response();
  co_await respond(std::move(response), out);
}

// --- POST /query and /query-stream

std::expected<std::shared_ptr<const sql::QueryPlan>, Refused> KsqlServer::plan_query(const QueryRequest& request) {
  auto statements = sql::parse(request.sql);
  if (!statements) return std::unexpected(refused_statement(statements.error(), request.sql));
  if (statements->size() != 1) {
    return std::unexpected(Refused{ErrorCode::bad_statement, fmt::format("Expected exactly one KSQL statement; found {} instead\nsend them one by one", statements->size()), true, request.sql, "[]"});
  }
  auto& statement = statements->front();
  auto* select = std::get_if<sql::Select>(&statement.body);
  if (!select) {
    return std::unexpected(Refused{ErrorCode::bad_statement, "Statement type not supported by this endpoint: only SELECT is\nsend it to /ksql", true, statement.text, "[]"});
  }
  CatalogSources sources(catalog_, default_tenant);
  auto plan = sql::bind_query(*select, sources, {select->emit_changes ? sql::QueryForm::push : sql::QueryForm::pull});
  if (!plan) return std::unexpected(refused_statement(plan.error(), statement.text));
  return std::make_shared<const sql::QueryPlan>(std::move(*plan));
}

Task<void> KsqlServer::run_query(Request request, ResponseStream& out, bool stream_form) {
  auto problem = tenant_problem(request);
  auto asked = read_request(request.body.text());
  if (problem || !asked) {
    auto refusal = problem ? problem->response() : asked.error().response();
    co_await respond(std::move(refusal), out);
    co_return;
  }
  auto plan = plan_query(*asked);
  if (!plan) {
    auto refusal = plan.error().response();
    co_await respond(std::move(refusal), out);
    co_return;
  }
  auto accept = request.headers.get("Accept");
  bool delimited = accept.find("delimited") != std::string_view::npos || (stream_form && accept.find("vnd.ksql.v1+json") == std::string_view::npos);
  RowWriter writer(delimited ? Form::delimited : Form::envelope, *plan);
  bool of_state = (*plan)->form == sql::QueryForm::pull && (*plan)->source.kind == sql::SourceKind::table;
  if (of_state) co_await pull(*plan, writer, out);
  else co_await push(*plan, writer, from_earliest(asked->overrides), out);
}

Task<void> KsqlServer::pull(std::shared_ptr<const sql::QueryPlan> plan, RowWriter writer, ResponseStream& out) {
  world::Once<Result<std::vector<flow::ResultRow>>> done(out.loop());
  queries_.pull(default_tenant, plan, done.setter());
  auto rows = co_await done;
  if (!rows) {
    auto refusal = refused(rows.error()).response();
    co_await respond(std::move(refusal), out);
    co_return;
  }
  http::Headers headers{{"Content-Type", writer.content_type()}};
  auto started = co_await out.start(200, std::move(headers));
  if (!started) co_return;
  auto bytes = writer.header(fmt::format("query_{}", ++queries_made_));
  for (auto& row : *rows) {
    writer.append(bytes, row);
    if (bytes.size() < write_bytes) continue;
    auto piece = Slice::own(std::exchange(bytes, {}));
    auto written = co_await out.write(std::move(piece));
    if (!written) co_return;
  }
  bytes += writer.end();
  auto last = Slice::own(std::move(bytes));
  auto written = co_await out.write(std::move(last));
  (void)written;  // the end either way
}

Task<void> KsqlServer::push(std::shared_ptr<const sql::QueryPlan> plan, RowWriter writer, bool earliest, ResponseStream& out) {
  auto id = fmt::format("transient_{}_{}", plan->source.name, ++queries_made_);
  auto rows = std::make_shared<PushRows>(out.loop(), writer, plan->limit);
  bool room = false;
  {
    std::lock_guard hold(mutex_);
    room = pushing_.size() < options_.push_queries_max;
    if (room) pushing_[id] = rows;
  }
  auto started = room ? queries_.push(default_tenant, plan, earliest, rows->sink()) : Result<std::unique_ptr<flow::PushQuery>>(nullptr);
  if (!room || !started) {
    Refused full{ErrorCode::too_many_push_queries, fmt::format("The server has reached its limit of {} push queries\nend one of them first", options_.push_queries_max), false, {}, "[]"};
    auto refusal = room ? refused(started.error()).response() : full.response();
    if (room) {
      std::lock_guard hold(mutex_);
      pushing_.erase(id);
    }
    co_await respond(std::move(refusal), out);
    co_return;
  }
  rows->on_room([query = started->get()] { query->resume(); });
  http::Headers headers{{"Content-Type", writer.content_type()}};
  auto begun = co_await out.start(200, std::move(headers));
  auto header = Slice::own(writer.header(id));
  auto greeted = begun ? co_await out.write(std::move(header)) : std::move(begun);
  if (greeted) co_await deliver(rows, writer, out);
  rows->cancel();
  started->reset();
  std::lock_guard hold(mutex_);
  pushing_.erase(id);
}

// Until the query ends, its limit is reached or the client has gone.
Task<void> KsqlServer::deliver(std::shared_ptr<PushRows> rows, RowWriter writer, ResponseStream& out) {
  out.on_closed([rows] { rows->cancel(); });
  while (!out.closed()) {
    auto taken = rows->take();
    if (taken.end) {
      taken.bytes += *taken.end ? writer.final_message(taken.limit_reached ? "Limit Reached" : "Query Completed") : writer.error(refused(taken.end->error()));
      taken.bytes += writer.end();
    }
    if (!taken.bytes.empty()) {
      auto piece = Slice::own(std::move(taken.bytes));
      auto written = co_await out.write(std::move(piece));
      if (!written) co_return;
    }
    if (taken.end) co_return;
    co_await rows->changed();
  }
}

Task<Response> KsqlServer::close_query(Request request) {
  auto body = json::parse(request.body.text(), nullptr, false);
  auto id = body.is_object() && body.contains("queryId") && body["queryId"].is_string() ? body["queryId"].get<std::string>() : std::string();
  std::shared_ptr<PushRows> rows;
  {
    std::lock_guard hold(mutex_);
    if (auto found = pushing_.find(id); found != pushing_.end()) rows = found->second;
  }
  if (!rows) {
    Refused unknown{ErrorCode::bad_request, fmt::format("No query with id {}\nit may have ended already", id), false, {}, "[]"};
    co_return unknown.response();
  }
  rows->cancel();
  co_return Response::json(200, "");
}

// --- the small pages

void KsqlServer::add_pages() {
  auto page = [](json body) {
    return [text = body.dump()](Request) -> Task<Response> {
      auto response = Response::typed(200, "application/vnd.ksql.v1+json", text);
      co_return response;
    };
  };
  http_->route("GET", "/info", page({{"KsqlServerInfo", {{"version", options_.version}, {"kafkaClusterId", options_.cluster_id}, {"ksqlServiceId", options_.service_id}, {"serverStatus", "RUNNING"}}}}));
  json fine = {{"isHealthy", true}};
  http_->route("GET", "/healthcheck", page({{"isHealthy", true}, {"details", {{"metastore", fine}, {"kafka", fine}, {"commandRunner", fine}}}, {"serverState", "READY"}}));
  http_->route("GET", "/clusterStatus", page({{"clusterStatus", json::object()}}));
  json cluster = {{"id", ""}, {"scope", {{"path", json::array()}, {"clusters", {{"kafka-cluster", options_.cluster_id}, {"ksql-cluster", options_.service_id}}}}}};
  http_->route("GET", "/v1/metadata", page({{"version", options_.version}, {"clusterId", cluster}}));
  http_->route("GET", "/v1/metadata/id", page(cluster));
  http_->route("GET", "/chc/live", page(json::object()));
  http_->route("GET", "/chc/ready", page(json::object()));
  http_->route("GET", "/", [](Request) -> Task<Response> {
    Response response;
    response.status = 307;
    response.headers.set("Location", "/info");
    co_return response;
  });
  http_->route("GET", "/is_valid_property/{name}", [](Request request) -> Task<Response> {
    auto name = request.param("name");
    auto valid = check_override(name, plain_name(name) == "auto.offset.reset" ? "earliest" : "");
    co_return valid ? Response::json(200, "true") : refused(valid.error()).response();
  });
}

}  // namespace tidemill::serve::ksql
