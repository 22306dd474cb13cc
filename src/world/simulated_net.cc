#include "world/simulated_net.h"

#include <fmt/core.h>

#include "base/check.h"

namespace tidemill::world {
namespace {

constexpr std::size_t window_bytes = 64 * 1024;  // under way or unread, before a writer waits
constexpr std::size_t fragment_bytes_max = 4096;

Error closed_error(std::string_view doing) { return fail(Code::cancelled, fmt::format("cannot {}: closed", doing)); }
Error broken_error(std::string_view doing) { return fail(Code::io, fmt::format("cannot {}: connection reset", doing)); }

class SimulatedConnection final : public Connection {
 public:
  SimulatedConnection(Loop& loop, SimulatedRandom& random, std::shared_ptr<SimulatedPipe> in, std::shared_ptr<SimulatedPipe> out, Address local, Address peer)
      : loop_(loop), random_(random), in_(std::move(in)), out_(std::move(out)), local_(std::move(local)), peer_(std::move(peer)) {}
  ~SimulatedConnection() override { close(); }

  Task<Result<std::size_t>> read_some(std::span<std::byte> into) override {
    CHECK(!into.empty());
    auto pipe = in_;  // the connection may be destroyed while a closed read comes back
    SimulatedWaiter waiter(loop_);
    while (pipe->arrived.empty() && !pipe->end_arrived && !pipe->abandoned && !pipe->broken) {
      pipe->reader = &waiter;
      co_await waiter;
      pipe->reader = nullptr;
    }
    if (pipe->abandoned) co_return closed_error("read");
    if (pipe->broken) co_return broken_error("read");
    if (pipe->arrived.empty()) co_return 0;
    auto most = std::min(into.size(), pipe->arrived.size());
    auto count = most == 1 ? 1 : 1 + static_cast<std::size_t>(random_.below(most));
    std::memcpy(into.data(), pipe->arrived.data(), count);
    pipe->arrived.erase(0, count);
    if (pipe->writer) pipe->writer->wake();
    co_return count;
  }

  Task<Result<void>> write(std::vector<Slice> parts) override {
    auto pipe = out_;
    std::string bytes;
    for (auto& part : parts) bytes += part.text();
    SimulatedWaiter waiter(loop_);
    for (std::size_t at = 0; at < bytes.size();) {
      if (pipe->end_sent) co_return closed_error("write");
      if (pipe->broken || pipe->abandoned) co_return broken_error("write");
      if (pipe->under_way_bytes + pipe->arrived.size() >= window_bytes) {
        pipe->writer = &waiter;
        co_await waiter;
        pipe->writer = nullptr;
        continue;
      }
      auto count = std::min(bytes.size() - at, 1 + static_cast<std::size_t>(random_.below(fragment_bytes_max)));
      pipe->under_way.push_back(bytes.substr(at, count));
      pipe->under_way_bytes += count;
      at += count;
    }
    if (pipe->end_sent) co_return closed_error("write");
    co_return {};
  }

  void close() override {
    in_->abandoned = true;
    out_->end_sent = true;
    in_->wake_both();
    out_->wake_both();
  }

  Address peer() const override { return peer_; }
  Address local() const override { return local_; }

 private:
  Loop& loop_;
  SimulatedRandom& random_;
  std::shared_ptr<SimulatedPipe> in_, out_;
  Address local_, peer_;
};

}  // namespace

void SimulatedWaiter::await_suspend(std::coroutine_handle<> h) { task_ = h; }

void SimulatedWaiter::wake() {
  if (auto task = std::exchange(task_, nullptr)) loop_->post([task] { task.resume(); });
}

void SimulatedPipe::move_one() {
  if (under_way.empty()) {
    end_arrived = true;
  } else {
    under_way_bytes -= under_way.front().size();
    if (!abandoned) arrived += under_way.front();
    under_way.pop_front();
  }
  if (reader) reader->wake();
}

void SimulatedPipe::wake_both() {
  if (reader) reader->wake();
  if (writer) writer->wake();
}

// A port that somebody listens on, and the clients that wait to be accepted.
struct SimulatedPort {
  struct Arrival {
    std::shared_ptr<SimulatedPipe> in, out;
    Address peer;
  };
  std::deque<Arrival> queue;
  bool closed = false;
  SimulatedWaiter* acceptor = nullptr;
};

namespace {

class SimulatedListener final : public Listener {
 public:
  SimulatedListener(Loop& loop, SimulatedRandom& random, std::shared_ptr<SimulatedPort> port, Address address)
      : loop_(loop), random_(random), port_(std::move(port)), address_(std::move(address)) {}
  ~SimulatedListener() override { close(); }

  Task<Result<std::unique_ptr<Connection>>> accept(Loop& loop) override {
    auto port = port_;
    SimulatedWaiter waiter(loop_);
    while (port->queue.empty() && !port->closed) {
      port->acceptor = &waiter;
      co_await waiter;
      port->acceptor = nullptr;
    }
    if (port->closed) co_return closed_error("accept");
    auto arrival = std::move(port->queue.front());
    port->queue.pop_front();
    co_return std::make_unique<SimulatedConnection>(loop, random_, std::move(arrival.in), std::move(arrival.out), address_, std::move(arrival.peer));
  }

  Address address() const override { return address_; }

  void close() override {
    if (std::exchange(port_->closed, true)) return;
    for (auto& arrival : port_->queue) {
      arrival.in->broken = arrival.out->broken = true;
      arrival.in->wake_both();
      arrival.out->wake_both();
    }
    port_->queue.clear();
    if (port_->acceptor) port_->acceptor->wake();
  }

 private:
  Loop& loop_;
  SimulatedRandom& random_;
  std::shared_ptr<SimulatedPort> port_;
  Address address_;
};

bool is_open(const std::weak_ptr<SimulatedPort>& port) {
  auto held = port.lock();
  return held && !held->closed;
}

}  // namespace

Result<std::unique_ptr<Listener>> SimulatedNet::listen(Loop& loop, Address address) {
  if (address.port == 0) address.port = next_port_++;
  if (is_open(ports_[address.port])) return fail(Code::busy, fmt::format("address {} is in use", address.text()));
  auto port = std::make_shared<SimulatedPort>();
  ports_[address.port] = port;
  return std::make_unique<SimulatedListener>(loop, random_, std::move(port), std::move(address));
}

Task<Result<std::unique_ptr<Connection>>> SimulatedNet::connect(Loop& loop, Address address) {
  if (!is_open(ports_[address.port])) co_return fail(Code::unavailable, fmt::format("cannot connect to {}: connection refused", address.text()));
  auto port = ports_[address.port].lock();
  auto there = make_pipe(), back = make_pipe();
  Address own{"127.0.0.1", next_port_++};
  port->queue.push_back({there, back, own});
  if (port->acceptor) port->acceptor->wake();
  co_return std::make_unique<SimulatedConnection>(loop, random_, std::move(back), std::move(there), std::move(own), std::move(address));
}

std::shared_ptr<SimulatedPipe> SimulatedNet::make_pipe() {
  auto pipe = std::make_shared<SimulatedPipe>();
  std::erase_if(pipes_, [](auto& weak) { return weak.expired(); });
  pipes_.push_back(pipe);
  return pipe;
}

std::vector<SimulatedPipe*> SimulatedNet::movable() {
  std::vector<SimulatedPipe*> found;
  for (auto& weak : pipes_) {
    auto pipe = weak.lock();
    if (pipe && pipe->can_move()) found.push_back(pipe.get());
  }
  return found;
}

void SimulatedNet::break_all() {
  for (auto& weak : pipes_) {
    auto pipe = weak.lock();
    if (!pipe) continue;
    pipe->broken = true;
    pipe->wake_both();
  }
}

}  // namespace tidemill::world
