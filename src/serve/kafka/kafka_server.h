// KafkaServer: the Kafka listener. One tenant per listener; a connection lives on one shard.
//
//   KafkaServer server(net, shards, broker, std::move(options));
//   TRY(server.start());  ...  server.stop();
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_set>

#include "runtime/seats.h"
#include "runtime/seldom.h"
#include "runtime/shards.h"
#include "runtime/task_group.h"
#include "serve/kafka/connection.h"
#include "world/real.h"

namespace tidemill::serve {

// A warning in the log of the process.
void report_to_log(std::string_view event, const world::Address& peer, const Error& why);

struct KafkaServerOptions {
  world::Address address;                        // kafka.listen
  std::optional<world::Address> advertised;      // kafka.advertised; else the address each client connected to
  TenantId tenant = default_tenant;
  std::string cluster_id = "tidemill";
  std::size_t connections_max = 10'000;          // one more is closed at once
  std::shared_ptr<runtime::Seats> seats;         // of all listeners together; none: no such limit
  KafkaLimits limits;
  runtime::ByteBudgetOptions memory{.name = "kafka"};  // of what all connections hold together
  KafkaReport report = report_to_log;
  world::Clock& clock = world::real_clock();
};

class KafkaServer {
 public:
  KafkaServer(world::Net& net, runtime::Shards& shards, broker::Broker& broker, KafkaServerOptions options);
  ~KafkaServer();  // stops

  // Code::busy when the address is in use.
  Result<void> start();
  world::Address address() const;  // with the real port, after start()
  std::size_t connections() const;
  const runtime::ByteBudget& memory() const { return memory_; }

  // From outside the shards: closes the listener and every connection, returns when the last request has ended.
  void stop();
  // The same in two steps, for a simulated world, where nobody may block.
  void begin_stop();
  bool stopped() const { return group_.closed() && group_.running() == 0; }

 private:
  using ConnectionRef = std::shared_ptr<KafkaConnection>;
  world::Task<void> accept_all();
  world::Task<void> serve(std::unique_ptr<world::Connection> connection, world::Loop& loop);
  bool enlist(const ConnectionRef& connection);
  void begin(std::unique_ptr<world::Connection> connection, world::Loop& loop);
  void refuse(const world::Address& peer);
  void warn(runtime::Seldom& seldom, std::string_view event, const world::Address& peer, Error why);
  world::Address advertised_to(const world::Connection& connection) const;

  world::Net& net_;
  runtime::Shards& shards_;
  broker::Broker& broker_;
  KafkaServerOptions options_;
  runtime::TaskGroup group_;
  world::Loop* accept_loop_ = nullptr;
  std::unique_ptr<world::Listener> listener_;
  runtime::ByteBudget memory_;
  std::map<const world::Loop*, runtime::Turns> turns_;  // of long work, by shard
  observe::Counter& refused_;
  runtime::Seldom refusals_{std::chrono::minutes(1)}, accept_failures_{std::chrono::minutes(1)};
  mutable std::mutex mutex_;  // for the two below
  std::unordered_set<ConnectionRef> connections_;
  bool stopping_ = false;
};

}  // namespace tidemill::serve
