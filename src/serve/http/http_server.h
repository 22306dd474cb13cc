// HttpServer: one HTTP/1.1 listener with its routes. Owned by whoever serves the protocol above it; every REST surface has its own.
//
//   HttpServer server(net, shards, std::move(options));
//   server.route("GET", "/connectors/{name}", [this](Request request) { return show_connector(std::move(request)); });
//   TRY(server.start());  ...  server.stop();
//
// Handlers run on shards, several at once on different threads; requests of one connection are answered in their order. A
// handler that blocks belongs on a Pool. All routes are set before start().
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "base/result.h"
#include "runtime/byte_budget.h"
#include "runtime/seats.h"
#include "runtime/shards.h"
#include "wire/http/http.h"
#include "world/net.h"

namespace tidemill::serve {

using http::Request;
using http::Response;
using world::Task;

// The way out of a streaming handler; lives while the handler runs. All calls on the handler's loop.
class ResponseStream {
 public:
  virtual ~ResponseStream() = default;
  virtual world::Loop& loop() = 0;
  // Status and headers, once, before the first write. A handler that never starts answers 500.
  virtual Task<Result<void>> start(int status, http::Headers headers) = 0;
  // Ends when the bytes are handed to the kernel, so a slow client slows the writer; Code::cancelled once closed().
  virtual Task<Result<void>> write(Slice bytes) = 0;
  virtual Task<Result<void>> finish() = 0;  // done for the handler if it returns without
  // The client has gone, or the server stops.
  virtual bool closed() const = 0;
  // `job` runs once on this loop when closed() becomes true (at once if it is): sets the Once that a waiting handler waits on.
  // The last one set counts; it is dropped when the handler ends.
  virtual void on_closed(world::Job job) = 0;
};

using Handler = std::function<Task<Response>(Request)>;
using StreamHandler = std::function<Task<void>(Request, ResponseStream&)>;
// Shape of the errors that the server itself answers: 400, 404, 405, 413, 431, 500, 501, 503.
using ErrorShape = std::function<Response(int status, const std::string& message)>;
Response default_error(int status, const std::string& message);  // {"error_code":404,"message":"..."}

struct HttpServerOptions {
  std::string name;  // in logs and metrics: "connect"
  world::Address address;
  std::size_t header_bytes_max = 16 * 1024;
  std::size_t body_bytes_max = 16 * 1024 * 1024;
  std::size_t connections_max = 1000;  // one more is answered 503 and closed
  // Shared by several listeners; none: no common limit of connections, and memory of its own for what connections hold.
  std::shared_ptr<runtime::Seats> seats;
  std::shared_ptr<runtime::ByteBudget> memory;
  std::chrono::milliseconds idle_timeout{60'000};  // for the next request, and for a write that does not move
  ErrorShape error_shape = default_error;
  std::vector<std::string> hosts_allowed;  // names in the Host header beside addresses and localhost (origin.h)
  world::Clock& clock = world::real_clock();  // measures how long answers take
};

class HttpServer {
 public:
  HttpServer(world::Net& net, runtime::Shards& shards, HttpServerOptions options);
  ~HttpServer();  // stops

  // Patterns: "/a/{name}/b"; a parameter takes one segment, percent-decoded into request.params. "/ui/{path...}", at the end
  // only, takes the rest (with its slashes; may be empty). Fixed segments win over parameters. A GET route answers HEAD too.
  void route(std::string_view method, std::string_view pattern, Handler handler);
  void route_stream(std::string_view method, std::string_view pattern, StreamHandler handler);

  // Code::busy when the address is in use.
  Result<void> start();
  world::Address address() const;  // with the real port, after start()

  // From outside the shards: closes the listener and every connection, and returns when the last handler has ended. A streaming
  // handler learns it from closed(), on_closed() or a failing write; other handlers are waited for.
  void stop();
  // The same in two steps, for a simulated world, where nobody may block.
  void begin_stop();
  bool stopped() const;

 private:
  struct Inside;
  std::shared_ptr<Inside> inside_;
};

}  // namespace tidemill::serve
