// The door to the network: TCP, in and out. Calls are made on the loop that was given; tasks resume there.
// Closing a connection or listener makes every waiting call on it end with Code::cancelled; that is how a server stops.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "bytes/slice.h"
#include "world/task.h"

namespace tidemill::world {

struct Address {
  std::string host;
  std::uint16_t port = 0;
  std::string text() const { return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port); }
  bool loopback() const { return host == "localhost" || host.starts_with("127.") || host == "::1"; }
};
// "HOST:PORT", "[V6]:PORT"
Result<Address> parse_address(std::string_view text);

class Connection {
 public:
  virtual ~Connection() = default;
  // At least one byte, or 0 when the peer has closed its side.
  virtual Task<Result<std::size_t>> read_some(std::span<std::byte> into) = 0;
  // All of it, in one gather write where possible. One write at a time.
  virtual Task<Result<void>> write(std::vector<Slice> parts) = 0;
  virtual void close() = 0;
  virtual Address peer() const = 0;
  virtual Address local() const = 0;
};

class Listener {
 public:
  virtual ~Listener() = default;
  virtual Task<Result<std::unique_ptr<Connection>>> accept(Loop& loop) = 0;  // the connection lives on `loop`
  virtual Address address() const = 0;  // with the real port when 0 was asked for
  virtual void close() = 0;
};

class Net {
 public:
  virtual ~Net() = default;
  // Code::busy when the port is taken (the message names the address).
  virtual Result<std::unique_ptr<Listener>> listen(Loop& loop, Address address) = 0;
  virtual Task<Result<std::unique_ptr<Connection>>> connect(Loop& loop, Address address) = 0;
};

}  // namespace tidemill::world
