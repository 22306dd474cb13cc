// Net over Asio. An Asio handler resumes the coroutine that waits, directly, on the thread of its loop.
#include <fmt/core.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include "base/check.h"
#include "world/asio_loop.h"
#include "world/real.h"

namespace tidemill::world {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// Awaits one Asio operation: `start` is given the handler.
template <class Start>
struct Waiting {
  struct Outcome {
    error_code error;
    std::size_t count = 0;
  };
  explicit Waiting(Start s) : start(std::move(s)) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    start([this, h](error_code error, auto... rest) {
      outcome.error = error;
      if constexpr (sizeof...(rest) == 1) keep(rest...);
      h.resume();
    });
  }
  Outcome await_resume() { return outcome; }
  void keep(std::size_t count) { outcome.count = count; }
  template <class Other>
  void keep(const Other&) {}

  Start start;
  Outcome outcome;
};

Error net_error(const error_code& error, std::string_view doing) {
  if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) return fail(Code::cancelled, fmt::format("cannot {}: closed", doing));
  if (error == asio::error::connection_refused || error == asio::error::host_unreachable || error == asio::error::timed_out ||
      error == asio::error::network_unreachable || error == asio::error::no_descriptors || error == asio::error::no_buffer_space ||
      error == asio::error::no_memory || error.value() == ENFILE) {
    return fail(Code::unavailable, fmt::format("cannot {}: {}", doing, error.message()));
  }
  return fail(Code::io, fmt::format("cannot {}: {}", doing, error.message()));
}

// Of what a client has not read yet, so much may lie in the kernel: by itself it lets that grow to megabytes, for each client, where no
// limit of ours counts it.
constexpr int unread_bytes_max = 128 * 1024;

Address address_of(const tcp::endpoint& endpoint) { return {endpoint.address().to_string(), endpoint.port()}; }

class RealConnection final : public Connection {
 public:
  explicit RealConnection(tcp::socket socket) : socket_(std::move(socket)) {
    error_code ignored;  // the peer may have gone already; the first read will say so
    socket_.set_option(tcp::no_delay(true), ignored);
    socket_.non_blocking(true, ignored);
    if (auto end = socket_.remote_endpoint(ignored); !ignored) peer_ = address_of(end);
    if (auto end = socket_.local_endpoint(ignored); !ignored) local_ = address_of(end);
  }

  Task<Result<std::size_t>> read_some(std::span<std::byte> into) override {
    CHECK(!into.empty());
    auto start = [this, into](auto handler) { socket_.async_read_some(asio::buffer(into.data(), into.size()), std::move(handler)); };
    Waiting waiting(std::move(start));
    auto outcome = co_await waiting;
    if (outcome.error == asio::error::eof) co_return 0;
    if (outcome.error) co_return net_error(outcome.error, "read");
    co_return outcome.count;
  }

  Task<Result<void>> write(std::vector<Slice> parts) override {
    std::vector<asio::const_buffer> rest;
    rest.reserve(parts.size());
    for (auto& part : parts) {
      if (!part.empty()) rest.emplace_back(part.data(), part.size());
    }
    // Most writes fit into the socket's buffer: try before waiting.
    error_code error;
    while (!rest.empty() && !error) drop_first(rest, socket_.write_some(rest, error));
    if (error && error != asio::error::would_block) co_return net_error(error, "write");
    if (rest.empty()) co_return {};
    auto start = [this, &rest](auto handler) { asio::async_write(socket_, rest, std::move(handler)); };
    Waiting waiting(std::move(start));
    auto outcome = co_await waiting;
    if (outcome.error) co_return net_error(outcome.error, "write");
    co_return {};
  }

  void close() override {
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_both, ignored);
    socket_.close(ignored);
  }

  Address peer() const override { return peer_; }
  Address local() const override { return local_; }

 private:
  static void drop_first(std::vector<asio::const_buffer>& buffers, std::size_t bytes) {
    auto it = buffers.begin();
    while (it != buffers.end() && bytes >= it->size()) bytes -= (it++)->size();
    buffers.erase(buffers.begin(), it);
    if (bytes != 0) buffers.front() += bytes;
  }

  tcp::socket socket_;
  Address peer_, local_;
};

class RealListener final : public Listener {
 public:
  explicit RealListener(tcp::acceptor acceptor) : acceptor_(std::move(acceptor)), address_(address_of(acceptor_.local_endpoint())) {}

  Task<Result<std::unique_ptr<Connection>>> accept(Loop& loop) override {
    for (;;) {
      tcp::socket socket(io_context_of(loop));
      auto start = [this, &socket](auto handler) { acceptor_.async_accept(socket, std::move(handler)); };
      Waiting waiting(std::move(start));
      auto outcome = co_await waiting;
      if (outcome.error == asio::error::connection_aborted) continue;
      if (outcome.error) co_return net_error(outcome.error, "accept");
      error_code ignored;  // slower or larger than wished, it still works
      socket.set_option(asio::socket_base::send_buffer_size(unread_bytes_max), ignored);
      co_return std::make_unique<RealConnection>(std::move(socket));
    }
  }

  Address address() const override { return address_; }
  void close() override {
    error_code ignored;
    acceptor_.close(ignored);
  }

 private:
  tcp::acceptor acceptor_;
  Address address_;
};

class RealNet final : public Net {
 public:
  Result<std::unique_ptr<Listener>> listen(Loop& loop, Address address) override {
    auto& context = io_context_of(loop);
    error_code error;
    auto endpoint = resolve_now(context, address, error);
    tcp::acceptor acceptor(context);
    if (!error) acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error == asio::error::address_in_use) {
      return fail(Code::busy, fmt::format("address {} is in use", address.text()), "stop the program that listens there, or choose another port (0 takes a free one)");
    }
    if (error == asio::error::access_denied) return fail(Code::refused, fmt::format("cannot listen on {}: {}", address.text(), error.message()));
    if (error) return net_error(error, fmt::format("listen on {}", address.text()));
    return std::make_unique<RealListener>(std::move(acceptor));
  }

  Task<Result<std::unique_ptr<Connection>>> connect(Loop& loop, Address address) override {
    auto& context = io_context_of(loop);
    std::vector<tcp::endpoint> targets;
    error_code error;
    if (auto literal = asio::ip::make_address(address.host, error); !error) {
      targets.emplace_back(literal, address.port);
    } else {
      tcp::resolver resolver(context);
      error_code failure;
      auto start = [&](auto handler) {
        auto kept = [&, run = std::move(handler)](error_code e, const tcp::resolver::results_type& found) mutable {
          failure = e;
          for (auto& each : found) targets.push_back(each.endpoint());
          run(e);
        };
        resolver.async_resolve(address.host, std::to_string(address.port), std::move(kept));
      };
      Waiting waiting(std::move(start));
      co_await waiting;
      if (failure) co_return net_error(failure, fmt::format("find {}", address.host));
    }
    tcp::socket socket(context);
    auto start = [&](auto handler) { asio::async_connect(socket, targets, std::move(handler)); };
    Waiting waiting(std::move(start));
    auto outcome = co_await waiting;
    if (outcome.error) co_return net_error(outcome.error, fmt::format("connect to {}", address.text()));
    co_return std::make_unique<RealConnection>(std::move(socket));
  }

 private:
  static tcp::endpoint resolve_now(asio::io_context& context, const Address& address, error_code& error) {
    if (auto literal = asio::ip::make_address(address.host, error); !error) return {literal, address.port};
    auto found = tcp::resolver(context).resolve(address.host, std::to_string(address.port), error);
    return error || found.empty() ? tcp::endpoint() : found.begin()->endpoint();
  }
};

}  // namespace

std::unique_ptr<Net> real_net() { return std::make_unique<RealNet>(); }

}  // namespace tidemill::world
