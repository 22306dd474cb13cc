#include "connect/connectors.h"

#include <fmt/core.h>

#include "connect/postgres/connector.h"
#include "observe/log.h"

namespace tidemill::connect {
namespace {

constexpr std::string_view postgres_class = "io.debezium.connector.postgresql.PostgresConnector";

Result<postgres::Settings> check(const std::string& name, const ConfigMap& config) {
  auto given = config.find("connector.class");
  if (given == config.end() || (given->second != postgres_class && given->second != "PostgresConnector"))
    return fail(Code::invalid, fmt::format("connector \"{}\" has connector.class \"{}\"", name, given == config.end() ? "" : given->second),
                fmt::format("known: {}", postgres_class));
  TRY_ASSIGN(warnings, warnings_or_error(check_config(postgres::postgres_properties(), config)));
  for (auto& w : warnings) log_warn("connector.property", {{"connector", name}, {"hint", w}});
  return postgres::read_settings(config);
}

Error unknown(const std::string& name) { return fail(Code::not_found, fmt::format("connector \"{}\" does not exist", name)); }

}  // namespace

Result<std::unique_ptr<Connectors>> Connectors::open(Context context) {
  std::unique_ptr<Connectors> all(new Connectors(context));
  for (auto& definition : context.catalog.all_connectors()) all->start(definition);
  return all;
}

Connectors::~Connectors() { stop(); }

void Connectors::stop() {
  std::lock_guard hold(mutex_);
  for (auto& [key, task] : tasks_) task->stop();  // ask all first, then wait for each
  tasks_.clear();
}

void Connectors::start(const std::shared_ptr<const catalog::Connector>& definition) {
  auto settings = check(definition->name, definition->config);
  if (!settings) {
    log_error("connector.refused", {{"connector", definition->name}, {"error.message", settings.error().text()}});
    return;
  }
  tasks_[{definition->tenant, definition->name}] = std::make_unique<postgres::PostgresConnector>(context_, definition, std::move(*settings));
}

Result<void> Connectors::put(TenantId tenant, const std::string& name, ConfigMap config) {
  config.erase("name");
  TRY(check(name, config));
  std::lock_guard hold(mutex_);
  tasks_.erase({tenant, name});  // the old one has ended before the new one reads its positions
  TRY(context_.catalog.change_and_wait({catalog::PutConnector{tenant, name, std::move(config)}}));
  start(context_.catalog.find_connector(tenant, name));
  return {};
}

Result<void> Connectors::erase(TenantId tenant, const std::string& name) {
  std::lock_guard hold(mutex_);
  if (!context_.catalog.find_connector(tenant, name)) return unknown(name);
  tasks_.erase({tenant, name});
  TRY(context_.catalog.change_and_wait({catalog::DropConnector{tenant, name}}));
  return {};
}

std::vector<std::string> Connectors::names(TenantId tenant) const {
  std::vector<std::string> names;
  for (auto& c : context_.catalog.connectors(tenant)) names.push_back(c->name);
  return names;
}

Result<ConfigMap> Connectors::shown_config(TenantId tenant, const std::string& name) const {
  auto found = context_.catalog.find_connector(tenant, name);
  if (!found) return unknown(name);
  auto shown = masked(postgres::postgres_properties(), found->config);
  shown["name"] = name;
  return shown;
}

Result<Status> Connectors::status(TenantId tenant, const std::string& name) const {
  if (!context_.catalog.find_connector(tenant, name)) return unknown(name);
  std::lock_guard hold(mutex_);
  auto task = tasks_.find({tenant, name});
  if (task == tasks_.end()) return Status{.state = State::failed, .trace = "its configuration was refused at the start", .warnings = {}, .progress = {}};
  return task->second->status();
}

}  // namespace tidemill::connect
