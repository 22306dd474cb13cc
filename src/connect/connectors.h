// The connectors that run: one task per connector of the catalogue, started at open and ended at stop. Calls block until the
// catalogue's change is durable; thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "connect/config.h"
#include "connect/task.h"

namespace tidemill::connect {

class Connectors {
 public:
  static Result<std::unique_ptr<Connectors>> open(Context context);
  ~Connectors();  // stops
  void stop();

  // Makes or replaces. Code::invalid names every property that is wrong.
  Result<void> put(TenantId tenant, const std::string& name, ConfigMap config);
  Result<void> erase(TenantId tenant, const std::string& name);

  std::vector<std::string> names(TenantId tenant) const;
  Result<ConfigMap> shown_config(TenantId tenant, const std::string& name) const;  // secrets masked
  Result<Status> status(TenantId tenant, const std::string& name) const;

 private:
  explicit Connectors(Context context) : context_(context) {}
  void start(const std::shared_ptr<const catalog::Connector>& definition);

  Context context_;
  mutable std::mutex mutex_;
  std::map<std::pair<TenantId, std::string>, std::unique_ptr<Task>> tasks_;
};

}  // namespace tidemill::connect
