#include "connect/connectors.h"

#include <fmt/core.h>

#include "connect/postgres/connector.h"
#include "observe/log.h"

namespace tidemill::connect {
namespace {

const Plugin all_plugins[] = {{"io.debezium.connector.postgresql.PostgresConnector", "PostgresConnector", postgres::postgres_properties()}};

// Stands in a stored configuration while its connector is paused; never shown, never taken from outside.
const std::string paused_key = "tidemill.paused";

bool is_paused(const ConfigMap& config) { return config.contains(paused_key); }

struct Checked {
  postgres::Settings settings;
  std::vector<std::string> warnings;
};

Result<Checked> check(const std::string& name, ConfigMap config) {
  config.erase(paused_key);
  auto given = config.find("connector.class");
  auto* plugin = given == config.end() ? nullptr : find_plugin(given->second);
  if (plugin == nullptr)
    return fail(Code::invalid, fmt::format("connector \"{}\" has connector.class \"{}\"", name, given == config.end() ? "" : given->second),
                fmt::format("known: {}", all_plugins[0].class_name));
  TRY_ASSIGN(warnings, warnings_or_error(check_config(plugin->properties, config)));
  TRY_ASSIGN(settings, postgres::read_settings(config));
  for (auto& warning : postgres::settings_warnings(settings)) warnings.push_back(warning);
  return Checked{std::move(settings), std::move(warnings)};
}

Error unknown(const std::string& name) { return fail(Code::not_found, fmt::format("connector \"{}\" does not exist", name)); }

}  // namespace

std::span<const Plugin> plugins() { return all_plugins; }

const Plugin* find_plugin(std::string_view class_name) {
  for (auto& plugin : all_plugins)
    if (class_name == plugin.class_name || class_name == plugin.short_name) return &plugin;
  return nullptr;
}

Result<std::unique_ptr<Connectors>> Connectors::open(Context context) {
  std::unique_ptr<Connectors> all(new Connectors(context));
  for (auto& definition : context.catalog.all_connectors()) all->start(definition);
  return all;
}

Connectors::~Connectors() { stop(); }

void Connectors::stop() {
  std::lock_guard hold(mutex_);
  for (auto& [key, task] : tasks_) task->stop();  // ask all first, then wait for each
  while (!tasks_.empty()) end(Key(tasks_.begin()->first));
}

void Connectors::start(const std::shared_ptr<const catalog::Connector>& definition) {
  Key key{definition->tenant, definition->name};
  refused_.erase(key);
  if (is_paused(definition->config)) return;
  auto checked = check(definition->name, definition->config);
  if (!checked) {
    log_error("connector.refused", {{"connector", definition->name}, {"error.message", checked.error().text()}});
    refused_[key] = checked.error().text();
    return;
  }
  tasks_[key] = std::make_unique<postgres::PostgresConnector>(context_, definition, std::move(checked->settings), checked->warnings);
}

// Returns when the task has ended and all it has sent to the log is answered.
void Connectors::end(const Key& key) {
  auto found = tasks_.find(key);
  if (found == tasks_.end()) return;
  auto task = std::move(found->second);
  tasks_.erase(found);
  task->finish();
  captured_before_ += task->captured();
}

// A slot serves one reader; a second connector would wait for ever, or take from the first what it has not read yet.
Result<void> Connectors::check_slot_is_free(TenantId tenant, const std::string& name, const ConfigMap& config) const {
  auto place = [](const ConfigMap& of) {
    Config read(postgres::postgres_properties(), of);
    return fmt::format("slot.name \"{}\" at {}:{}", read.text("slot.name"), read.text("database.hostname"), read.text("database.port"));
  };
  for (auto& other : context_.catalog.all_connectors())
    if ((other->name != name || other->tenant != tenant) && place(other->config) == place(config))
      return fail(Code::invalid, fmt::format("{} is used by connector \"{}\"", place(config), other->tenant == tenant ? other->name : "of another tenant"),
                  "choose another slot.name");
  return {};
}

Result<void> Connectors::put(TenantId tenant, const std::string& name, ConfigMap config) {
  config.erase("name");
  config.erase(paused_key);
  std::lock_guard hold(mutex_);
  auto stored = context_.catalog.find_connector(tenant, name);
  TRY(unmask(config, stored ? stored->config : ConfigMap()));
  TRY(check(name, config));
  TRY(check_slot_is_free(tenant, name, config));
  if (stored && is_paused(stored->config)) config[paused_key] = "true";
  return replace(tenant, name, std::move(config));
}

// The old task goes on until the new definition is durable, and has ended before the new one reads its positions.
Result<void> Connectors::replace(TenantId tenant, const std::string& name, ConfigMap config) {
  TRY(context_.catalog.change_and_wait({catalog::PutConnector{tenant, name, std::move(config)}}));
  end({tenant, name});
  start(context_.catalog.find_connector(tenant, name));
  return {};
}

Result<void> Connectors::erase(TenantId tenant, const std::string& name) {
  std::lock_guard hold(mutex_);
  if (!context_.catalog.find_connector(tenant, name)) return unknown(name);
  // Ended first: its positions go with it, and nothing can be appended without them.
  end({tenant, name});
  if (auto dropped = context_.catalog.change_and_wait({catalog::DropConnector{tenant, name}}); !dropped) {
    start(context_.catalog.find_connector(tenant, name));
    return dropped.error();
  }
  refused_.erase({tenant, name});
  return {};
}

Result<void> Connectors::restart(TenantId tenant, const std::string& name) {
  std::lock_guard hold(mutex_);
  auto definition = context_.catalog.find_connector(tenant, name);
  if (!definition) return unknown(name);
  end({tenant, name});
  start(definition);
  return {};
}

Result<void> Connectors::pause(TenantId tenant, const std::string& name, bool paused) {
  std::lock_guard hold(mutex_);
  auto definition = context_.catalog.find_connector(tenant, name);
  if (!definition) return unknown(name);
  if (is_paused(definition->config) == paused) return {};
  auto config = definition->config;
  if (paused) config[paused_key] = "true"; else config.erase(paused_key);
  return replace(tenant, name, std::move(config));
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
  shown.erase(paused_key);
  shown["name"] = name;
  return shown;
}

Result<Status> Connectors::status(TenantId tenant, const std::string& name) const {
  auto definition = context_.catalog.find_connector(tenant, name);
  if (!definition) return unknown(name);
  std::lock_guard hold(mutex_);
  Status status;
  if (auto task = tasks_.find({tenant, name}); task != tasks_.end()) return task->second->status();
  if (is_paused(definition->config)) {
    status.state = State::paused;
  } else if (auto why = refused_.find({tenant, name}); why != refused_.end()) {
    status.state = State::failed;
    status.trace = why->second;
  }
  return status;
}

Result<std::vector<std::string>> Connectors::topics(TenantId tenant, const std::string& name) const {
  auto found = context_.catalog.find_connector(tenant, name);
  if (!found) return unknown(name);
  auto prefix = Config(postgres::postgres_properties(), found->config).text("topic.prefix") + ".";
  std::vector<std::string> names;
  for (auto& topic : context_.catalog.topics(tenant))
    if (topic->name.starts_with(prefix)) names.push_back(topic->name);
  return names;
}

std::uint64_t Connectors::captured() const {
  std::lock_guard hold(mutex_);
  auto captured = captured_before_;
  for (auto& [key, task] : tasks_) captured += task->captured();
  return captured;
}

}  // namespace tidemill::connect
