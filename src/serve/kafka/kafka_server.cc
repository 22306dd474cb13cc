#include "serve/kafka/kafka_server.h"

#include <fmt/core.h>

#include "observe/log.h"

namespace tidemill::serve {

using world::Task;

namespace {

constexpr std::chrono::milliseconds pause_without_descriptors{100};

// A socket that listens on both families shows an IPv4 client's target as ::ffff:1.2.3.4.
world::Address plain(world::Address address) {
  constexpr std::string_view mapped = "::ffff:";
  if (address.host.starts_with(mapped)) address.host.erase(0, mapped.size());
  return address;
}

}  // namespace

void report_to_log(std::string_view event, const world::Address& peer, const Error& why) {
  log_warn(event, {{"client.address", peer.text()}, {"error.code", code_name(why.code)}, {"error.message", why.text()}});
}

KafkaServer::KafkaServer(world::Net& net, runtime::Shards& shards, broker::Broker& broker, KafkaServerOptions options)
    : net_(net), shards_(shards), broker_(broker), options_(std::move(options)), memory_(options_.clock, options_.memory),
      refused_(observe::metrics().counter("tidemill_connections_refused_total", {{"listener", "kafka"}})) {
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    auto& loop = shards_.at(i).loop;
    turns_.try_emplace(&loop, loop, 1);
  }
}

KafkaServer::~KafkaServer() { stop(); }

Result<void> KafkaServer::start() {
  accept_loop_ = &shards_.pick().loop;
  TRY_ASSIGN(listener, net_.listen(*accept_loop_, options_.address));
  listener_ = std::move(listener);
  group_.spawn(*accept_loop_, accept_all());
  return {};
}

world::Address KafkaServer::address() const { return listener_ ? listener_->address() : options_.address; }

std::size_t KafkaServer::connections() const {
  std::lock_guard hold(mutex_);
  return connections_.size();
}

void KafkaServer::begin_stop() {
  std::vector<ConnectionRef> all;
  {
    std::lock_guard hold(mutex_);
    if (std::exchange(stopping_, true)) return;
    all.assign(connections_.begin(), connections_.end());
  }
  group_.close();
  if (listener_) accept_loop_->post([this] { listener_->close(); });
  for (auto& each : all) {
    auto& loop = each->loop();
    loop.post([connection = std::move(each)] { connection->close(); });
  }
}

void KafkaServer::stop() {
  begin_stop();
  group_.close_and_wait();
}

Task<void> KafkaServer::accept_all() {
  while (true) {
    auto& shard = shards_.pick();
    auto accepting = listener_->accept(shard.loop);
    auto accepted = co_await accepting;
    if (accepted) {
      begin(std::move(*accepted), shard.loop);
      continue;
    }
    if (accepted.error().code == Code::cancelled) co_return;
    warn(accept_failures_, "kafka.accept", address(), accepted.error());
    co_await world::sleep_for(*accept_loop_, pause_without_descriptors);
  }
}

// A seat is taken here and not on the connection's loop: who is refused gives the descriptor back before the next one is accepted.
void KafkaServer::begin(std::unique_ptr<world::Connection> connection, world::Loop& loop) {
  if (options_.seats && !options_.seats->take()) return refuse(connection->peer());
  bool begun = group_.spawn(loop, serve(std::move(connection), loop));
  if (!begun && options_.seats) options_.seats->leave();
}

void KafkaServer::refuse(const world::Address& peer) {
  refused_.add();
  warn(refusals_, "kafka.refused", peer, fail(Code::busy, "too many connections, or stopping", "raise kafka.connections_max and the limit of open files (ulimit -n)"));
}

// False when there is no room, or no time: the server stops.
bool KafkaServer::enlist(const ConnectionRef& connection) {
  std::lock_guard hold(mutex_);
  if (stopping_ || connections_.size() >= options_.connections_max) return false;
  connections_.insert(connection);
  return true;
}

// A crowd causes many of the same: one a minute is enough to know.
void KafkaServer::warn(runtime::Seldom& seldom, std::string_view event, const world::Address& peer, Error why) {
  auto unsaid = seldom.now(options_.clock.monotonic_ns());
  if (!unsaid) return;
  if (*unsaid > 0) why.message += fmt::format(" (and {} times more since this was said)", *unsaid);
  options_.report(event, peer, why);
}

world::Address KafkaServer::advertised_to(const world::Connection& connection) const {
  return options_.advertised.value_or(plain(connection.local()));
}

Task<void> KafkaServer::serve(std::unique_ptr<world::Connection> connection, world::Loop& loop) {
  auto peer = connection->peer();
  KafkaSession session{broker_, loop, options_.tenant, options_.cluster_id, advertised_to(*connection), options_.clock, kafka_meter(), turns_.at(&loop)};
  auto served = std::make_shared<KafkaConnection>(std::move(connection), std::move(session), memory_, options_.limits, options_.report);
  if (!enlist(served)) {
    refuse(peer);
    served->close();
    if (options_.seats) options_.seats->leave();
    co_return;
  }
  auto running = served->run();
  co_await running;
  if (options_.seats) options_.seats->leave();
  std::lock_guard hold(mutex_);
  connections_.erase(served);
}

}  // namespace tidemill::serve
