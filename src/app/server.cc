#include "app/server.h"

#include <fmt/core.h>
#include <unistd.h>

#include <future>

#include "app/backup_desk.h"
#include "app/descriptors.h"
#include "app/exit_code.h"
#include "app/listening_file.h"
#include "app/log_meter.h"
#include "base/version.h"
#include "broker/broker.h"
#include "broker/topic_rules.h"
#include "catalog/catalog.h"
#include "connect/connectors.h"
#include "flow/queries.h"
#include "log/embedded_log.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "runtime/seldom.h"
#include "runtime/shards.h"
#include "serve/connect/connect_server.h"
#include "serve/http/operations.h"
#include "serve/kafka/kafka_server.h"
#include "serve/ksql/ksql_server.h"
#include "settings/settings.h"
#include "world/real.h"

namespace tidemill::app {

// Everything that runs, in the order in which it is made; it goes in the reverse order.
struct Server::Inside {
  explicit Inside(const settings::Settings& s) : settings(s) {}
  ~Inside() { stop(); }

  Result<void> open_log();
  Result<void> open_listeners();
  void share_among_listeners();
  Result<void> open_engine();
  Result<void> open_kafka();
  Result<void> open_connect();
  Result<void> open_ksql();
  Result<void> open_http();
  serve::HttpServerOptions http_options(const char* name, const settings::ListenAddress& at);
  std::optional<std::string> not_ready() const;
  void warn_of_missing_listeners() const;
  void stop();

  settings::Settings settings;
  world::Disk& disk = world::real_disk();
  world::Clock& clock = world::real_clock();
  std::unique_ptr<ListeningFile> listening;
  std::unique_ptr<log::EmbeddedLog> log;
  std::unique_ptr<catalog::Catalog> catalog;
  std::unique_ptr<runtime::Shards> shards;
  std::unique_ptr<LogMeter> meter;
  std::unique_ptr<flow::Queries> queries;
  std::unique_ptr<connect::Connectors> connectors;
  std::unique_ptr<world::Net> net;
  std::shared_ptr<runtime::Seats> seats;  // of all listeners
  std::shared_ptr<runtime::ByteBudget> http_memory;
  std::unique_ptr<broker::Broker> broker;
  std::unique_ptr<serve::KafkaServer> kafka;
  std::unique_ptr<serve::ConnectServer> connect;
  std::unique_ptr<serve::ksql::KsqlServer> ksql;
  std::unique_ptr<serve::HttpServer> http;
  std::unique_ptr<BackupDesk> backups;
  std::map<std::string, world::Address> addresses;
  std::atomic<bool> ready = false;
};

namespace {

// A failure with the setting that chose the address in front: six listeners may have failed.
template <class T>
Result<T> named(std::string_view setting, Result<T> started) {
  if (started) return started;
  auto error = started.error();
  error.message = fmt::format("{}: {}", setting, error.message);
  return error;
}

world::Address address_of(const settings::ListenAddress& at) { return {at.host, at.port}; }

// What cannot be written cannot be promised: say why, and end before anything else is acknowledged.
void end_at_once(const Error& error) {
  log_error("log.failed", {{"error.message", error.text()}});
  ::_exit(exit_fatal);
}

broker::Settings broker_settings(const settings::Settings& settings) {
  auto or_without_end = [](auto limit) { return limit == 0 ? std::int64_t{-1} : static_cast<std::int64_t>(limit); };
  return {.partitions_default = static_cast<std::int32_t>(settings.kafka_default_partitions),
          .partitions_max = static_cast<std::int32_t>(settings.kafka_partitions_max),
          .auto_create_topics = settings.kafka_auto_create_topics,
          .fetch_bytes_max = settings.kafka_fetch_bytes_max,
          .retention_ms = or_without_end(settings.kafka_retention.count()),
          .retention_bytes = or_without_end(settings.kafka_retention_bytes),
          .delete_retention_ms = settings.kafka_delete_retention.count(),
          .message_bytes_max = settings.kafka_message_bytes_max};
}

void report_damage(const log::EntryDamage& damage) {
  log_error("log.damage", {{"error.message", "records are damaged; what can be read was sorted, and the file is kept as it is"},
                           {"log.file", damage.file},
                           {"log.position", damage.position},
                           {"log.bytes", damage.bytes},
                           {"log.stream", damage.first.value},
                           {"log.offset", damage.from.value}});
}

void report_keeping(const Error& error) {
  static runtime::Seldom seldom(std::chrono::minutes(1));
  if (auto unsaid = seldom.now(world::real_clock().monotonic_ns()))
    log_warn("log.keeping_failed", {{"error.message", error.text()}, {"hint", "it is tried again every second"}, {"log.times_unsaid", *unsaid}});
}

void report_recovery(const log::RecoveryReport& report, std::uint64_t start_ns, std::uint64_t now_ns) {
  auto ms = (now_ns - start_ns) / 1'000'000;
  log_info("log.recovered", {{"event.duration_ms", ms}, {"log.groups_scanned", report.groups_scanned}, {"log.tail_dropped", report.tail_dropped}, {"log.corruptions", report.corruption.size()}});
  for (auto& damage : report.corruption)
    log_error("log.damage", {{"error.message", damage.what}, {"log.file", damage.file}, {"log.position", damage.position}, {"log.bytes", damage.bytes}});
  observe::metrics().gauge("tidemill_log_recovery_duration_seconds").set(static_cast<double>(ms) / 1000);
}

}  // namespace

Result<void> Server::Inside::open_log() {
  auto started = static_cast<std::uint64_t>(clock.monotonic_ns());
  auto& dir = settings.data_dir;
  TRY(disk.make_dirs(dir));
  log::EmbeddedOptions options{.dir = dir,
                               .journal_file_bytes = settings.log_journal_file_bytes,
                               .group_bytes_max = settings.log_group_bytes_max,
                               .batch_bytes_max = settings.log_batch_bytes_max,
                               .roll_after_ms = settings.log_roll_after.count(),
                               .tail_cache_bytes = settings.log_tail_cache_bytes,
                               .keeping = {.sort_bytes = settings.log_sort_bytes,
                                           .sort_after_ms = settings.log_sort_after.count(),
                                           .segment_bytes_max = settings.log_segment_bytes_max,
                                           .sweep_interval_ms = settings.log_sweep_interval.count(),
                                           .delete_after_ms = settings.log_delete_after.count(),
                                           .on_damage = report_damage,
                                           .on_failure = report_keeping},
                               .on_fatal = end_at_once};
  TRY_ASSIGN(opened, log::EmbeddedLog::open(disk, clock, std::move(options)));
  log = std::move(opened);
  report_recovery(log->recovery(), started, static_cast<std::uint64_t>(clock.monotonic_ns()));
  // Only now is the directory ours: another server's file must not be touched.
  listening = std::make_unique<ListeningFile>(disk, dir);
  TRY_ASSIGN(followed, catalog::Catalog::open(*log, disk, clock, world::real_random(), dir + "/catalog"));
  catalog = std::move(followed);
  if (auto lost = catalog->lost_records(); lost > 0)
    log_error("catalog.damage", {{"catalog.records_lost", lost}, {"hint", "definitions may be missing: list topics, queries and connectors, and make them again"}});
  log->set_policies(broker::policies_of(*catalog, broker_settings(settings)));
  return {};
}

Result<void> Server::Inside::open_engine() {
  shards = std::make_unique<runtime::Shards>(settings.runtime_shards);
  meter = std::make_unique<LogMeter>(*log, *shards);
  flow::QueryOptions options{.dir = settings.data_dir + "/state",
                             .batch_rows_max = settings.flow_batch_rows_max,
                             .state_bytes_max = settings.flow_query_state_bytes_max,
                             .snapshot_interval_ms = settings.flow_snapshot_interval_ms.count()};
  TRY_ASSIGN(running, flow::Queries::open(*log, *catalog, disk, clock, *shards, std::move(options)));
  queries = std::move(running);
  TRY_ASSIGN(capturing, connect::Connectors::open({*log, *catalog, clock, settings.connect_append_in_flight_bytes}));
  connectors = std::move(capturing);
  return {};
}

Result<void> Server::Inside::open_connect() {
  if (settings.connect_listen.off) return {};
  connect = std::make_unique<serve::ConnectServer>(*net, *shards, *connectors, http_options("connect", settings.connect_listen));
  TRY(named("connect.listen", connect->start()));
  addresses["connect"] = connect->address();
  return {};
}

Result<void> Server::Inside::open_ksql() {
  if (settings.ksql_listen.off) return {};
  ksql = std::make_unique<serve::ksql::KsqlServer>(*net, *shards, *catalog, *queries, serve::ksql::KsqlOptions{.service_id = settings.ksql_service_id, .http = http_options("ksql", settings.ksql_listen)});
  TRY_ASSIGN(address, named("ksql.listen", ksql->start(address_of(settings.ksql_listen))));
  addresses["ksql"] = address;
  return {};
}

Result<void> Server::Inside::open_kafka() {
  broker = std::make_unique<broker::Broker>(broker::Broker{*catalog, *log, clock, broker_settings(settings)});
  if (settings.kafka_listen.off) return {};
  serve::KafkaServerOptions options{.address = address_of(settings.kafka_listen),
                                    .connections_max = settings.kafka_connections_max,
                                    .seats = seats,
                                    .limits = {.request_bytes_max = settings.kafka_frame_bytes_max,
                                               .in_flight_max = settings.kafka_requests_in_flight_max,
                                               .idle = settings.kafka_idle_timeout},
                                    .memory = {.name = "kafka", .bytes_max = settings.kafka_memory_bytes_max, .patience = settings.kafka_stalled_timeout}};
  if (!settings.kafka_advertised.empty()) {
    TRY_ASSIGN(advertised, world::parse_address(settings.kafka_advertised));
    options.advertised = advertised;
  }
  kafka = std::make_unique<serve::KafkaServer>(*net, *shards, *broker, std::move(options));
  TRY(named("kafka.listen", kafka->start()));
  addresses["kafka"] = kafka->address();
  return {};
}

serve::HttpServerOptions Server::Inside::http_options(const char* name, const settings::ListenAddress& at) {
  return {.name = name,
          .address = address_of(at),
          .body_bytes_max = settings.http_body_bytes_max,
          .connections_max = settings.http_connections_max,
          .seats = seats,
          .memory = http_memory,
          .idle_timeout = settings.http_idle_timeout,
          .hosts_allowed = settings.http_hosts_allowed};
}

std::optional<std::string> Server::Inside::not_ready() const {
  if (!ready) return "starting";
  if (auto refusal = log->refusing()) return refusal->text();
  return std::nullopt;
}

Result<void> Server::Inside::open_http() {
  if (settings.http_listen.off) return {};
  http = std::make_unique<serve::HttpServer>(*net, *shards, http_options("http", settings.http_listen));
  serve::add_operations(*http, [this] { return not_ready(); });
  TRY(named("http.listen", http->start()));
  addresses["http"] = http->address();
  return {};
}

void Server::Inside::warn_of_missing_listeners() const {
  for (auto& [name, at] : {std::pair{"registry", settings.registry_listen}, std::pair{"postgres", settings.postgres_listen}})
    if (!at.off) log_warn("listener.not_built", {{"listener", name}, {"hint", "this version has no such listener; set it to off to silence this"}});
}

void Server::Inside::share_among_listeners() {
  seats = std::make_shared<runtime::Seats>(connections_within(raise_descriptor_limit()));
  runtime::ByteBudgetOptions memory{.name = "http", .bytes_max = settings.http_memory_bytes_max, .free_bytes = 32 * 1024, .patience = settings.http_stalled_timeout};
  http_memory = std::make_shared<runtime::ByteBudget>(clock, std::move(memory));
}

Result<void> Server::Inside::open_listeners() {
  net = world::real_net();
  share_among_listeners();
  TRY(open_kafka());
  TRY(open_connect());
  TRY(open_ksql());
  TRY(open_http());
  warn_of_missing_listeners();
  for (auto& [name, address] : addresses) log_info("listener.started", {{"listener", name}, {"server.address", address.text()}});
  backups = std::make_unique<BackupDesk>(disk, clock, *log, settings.data_dir);
  ready = true;
  return listening->publish(addresses, shards->at(0).loop);
}

void Server::Inside::stop() {
  ready = false;
  backups.reset();
  if (listening) listening->withdraw();
  if (kafka) kafka->stop();
  if (connect) connect->stop();
  if (ksql) ksql->stop();
  if (http) http->stop();
  if (connectors) connectors->stop();
  if (queries) queries->stop();
  kafka.reset();
  connect.reset();
  ksql.reset();
  http.reset();
  connectors.reset();
  queries.reset();
  meter.reset();
  if (catalog) {
    if (auto kept = catalog->snapshot(); !kept) log_warn("catalog.snapshot_failed", {{"error.message", kept.error().text()}});
  }
  if (log) log->stop();
  if (shards) shards->stop();
  net.reset();
  catalog.reset();
  listening.reset();
  log.reset();
  shards.reset();
}

Server::Server(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
Server::~Server() { stop(); }
void Server::stop() {
  if (inside_) inside_->stop();
}

Result<std::unique_ptr<Server>> Server::start(const settings::Settings& settings) {
  observe::set_log_target({.level = observe::level_of(settings.observe_log_level), .format = observe::format_of(settings.observe_log_format)});
  auto inside = std::make_unique<Inside>(settings);
  observe::metrics().gauge("tidemill_build_info", {{"version", version}}).set(1);
  observe::metrics().gauge("tidemill_start_time_seconds").set(static_cast<double>(inside->clock.now_ms()) / 1000);
  TRY(inside->open_log());
  TRY(inside->open_engine());
  TRY(inside->open_listeners());
  return std::unique_ptr<Server>(new Server(std::move(inside)));
}

const std::map<std::string, world::Address>& Server::addresses() const { return inside_->addresses; }

Progress Server::progress() const {
  Progress progress{.captured = inside_->connectors->captured(), .appended = inside_->log->counters().records};
  for (auto& q : inside_->queries->statuses(default_tenant)) progress.processed += q.rows_in;
  return progress;
}

Result<void> Server::execute(const std::string& statements) {
  serve::ksql::Statements executor(*inside_->catalog, *inside_->queries);
  auto ran = executor.run(default_tenant, statements, {});
  if (!ran) return fail(Code::invalid, ran.error().message);
  return {};
}

Result<void> Server::put_connector(const std::string& name, std::map<std::string, std::string> config) {
  return inside_->connectors->put(default_tenant, name, std::move(config));
}

Result<std::int64_t> Server::pull_number(const std::string& query) {
  TRY_ASSIGN(statements, sql::parse(query));
  auto* select = statements.empty() ? nullptr : std::get_if<sql::Select>(&statements.front().body);
  if (!select) return fail(Code::invalid, "not a SELECT");
  serve::ksql::CatalogSources sources(*inside_->catalog, default_tenant);
  TRY_ASSIGN(plan, sql::bind_query(*select, sources, {sql::QueryForm::pull}));
  auto answered = std::make_shared<std::promise<Result<std::vector<flow::ResultRow>>>>();
  inside_->queries->pull(default_tenant, std::make_shared<const sql::QueryPlan>(std::move(plan)), [answered](auto rows) { answered->set_value(std::move(rows)); });
  TRY_ASSIGN(rows, answered->get_future().get());
  if (rows.empty() || rows.front().columns.empty()) return std::int64_t{0};
  auto* number = std::get_if<std::int64_t>(&rows.front().columns.back().data);
  return number ? *number : 0;
}

}  // namespace tidemill::app
