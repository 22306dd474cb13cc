// The connectors that run: one task per connector of the catalogue, started at open and ended at stop. Calls block until the
// catalogue's change is durable; thread-safe.
//
// A task is touched only after the catalogue has taken the change: while a change is refused, the connector goes on as before.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "connect/config.h"
#include "connect/task.h"

namespace tidemill::connect {

// A class of connectors, as GET /connector-plugins has it.
struct Plugin {
  std::string_view class_name, short_name;
  std::span<const Property> properties;
};
std::span<const Plugin> plugins();
// By its full or its short name; null when there is none.
const Plugin* find_plugin(std::string_view class_name);

class Connectors {
 public:
  static Result<std::unique_ptr<Connectors>> open(Context context);
  ~Connectors();  // stops
  void stop();

  // Makes or replaces. A value that is connect::mask stands for the one that is stored. Code::invalid names every property that is wrong.
  Result<void> put(TenantId tenant, const std::string& name, ConfigMap config);
  Result<void> erase(TenantId tenant, const std::string& name);
  // Ends the task and begins it anew at its last position. A paused connector stays paused.
  Result<void> restart(TenantId tenant, const std::string& name);
  // Kept in the catalogue: a paused connector stays so until it is resumed.
  Result<void> pause(TenantId tenant, const std::string& name, bool paused);

  std::vector<std::string> names(TenantId tenant) const;
  Result<ConfigMap> shown_config(TenantId tenant, const std::string& name) const;  // secrets masked
  Result<Status> status(TenantId tenant, const std::string& name) const;
  // The topics there are of what it captures.
  Result<std::vector<std::string>> topics(TenantId tenant, const std::string& name) const;
  // Records captured by all of them since they were opened; never falls.
  std::uint64_t captured() const;

 private:
  using Key = std::pair<TenantId, std::string>;
  explicit Connectors(Context context) : context_(context) {}
  void start(const std::shared_ptr<const catalog::Connector>& definition);
  void end(const Key& key);
  Result<void> check_slot_is_free(TenantId tenant, const std::string& name, const ConfigMap& config) const;
  Result<void> replace(TenantId tenant, const std::string& name, ConfigMap config);

  Context context_;
  mutable std::mutex mutex_;
  std::map<Key, std::unique_ptr<Task>> tasks_;
  std::map<Key, std::string> refused_;  // why a stored configuration could not be started
  std::uint64_t captured_before_ = 0;   // by tasks that have ended
};

}  // namespace tidemill::connect
