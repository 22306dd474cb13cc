// Session: one client's connection. Two tasks on one loop: a reader, which fills the parser and notices that the client has gone,
// and the answering one, which takes requests in order. Both hold the session; it ends when both have.
#pragma once

#include <array>
#include <functional>

#include "observe/metrics.h"
#include "runtime/signal.h"
#include "serve/http/http_server.h"
#include "serve/http/router.h"
#include "wire/http/request_parser.h"

namespace tidemill::serve {

// What a session knows of its server: set before start(), never changed after.
struct Routes {
  struct Route {
    Handler handler;        // one of the two
    StreamHandler stream;
  };
  explicit Routes(HttpServerOptions chosen);
  HttpServerOptions options;
  Router router;
  std::vector<Route> routes;

  // By class of status: answered[2] counts 2xx.
  std::array<observe::Counter*, 6> answered{};
  observe::Gauge& connections;
  observe::Counter& refused;
  observe::Histogram& duration_seconds;
};

class Session final : public ResponseStream, public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<const Routes> routes, world::Loop& loop, std::unique_ptr<world::Connection> connection);
  ~Session() override;

  Task<void> read(std::shared_ptr<Session> self);
  Task<void> answer(std::shared_ptr<Session> self);
  // On the loop: an idle session ends now, a streaming one is told, a working one answers first (for five seconds at most).
  void shut();

  world::Loop& loop() override { return loop_; }
  Task<Result<void>> start(int status, http::Headers headers) override;
  Task<Result<void>> write(Slice bytes) override;
  Task<Result<void>> finish() override;
  bool closed() const override { return gone_ || stopping_; }
  void on_closed(world::Job job) override;

 private:
  enum class Phase { waiting, working, streaming };

  Task<std::optional<Request>> next_request();
  Task<bool> answer_one(Request request);  // false: close
  Task<bool> answer_stream(const StreamHandler& handler, Request request);
  Task<bool> send(Response response, bool keep_alive, bool with_body);
  Task<bool> send_error(int status, std::string message, bool keep_alive, http::Headers extra = {});
  Task<Result<void>> send_parts(std::vector<Slice> parts);
  void hold_memory();
  void drop();
  Task<bool> take_room();
  void came(std::size_t bytes);
  void answered();
  Task<void> refuse(std::string message);
  void count(int status);
  void client_gone();
  void tell_closed();
  void arm();
  void disarm();

  std::shared_ptr<const Routes> routes_;
  world::Loop& loop_;
  std::unique_ptr<world::Connection> connection_;
  http::RequestParser parser_;
  std::array<std::byte, 16 * 1024> buffer_;
  // What the request under way holds, and those behind it that came already: their bytes, until it is answered.
  std::optional<runtime::ByteBudget::Holding> memory_;
  std::size_t received_ = 0;
  runtime::Signal arrived_;  // to the answering task: bytes, or the end
  runtime::Signal room_;     // to the reader: the parser has taken what was there
  Phase phase_ = Phase::waiting;
  bool gone_ = false;
  bool stopping_ = false;
  bool discarding_ = false;
  std::uint64_t timer_ = 0;

  // Of the streaming answer under way.
  enum class Sent { nothing, head, all } sent_ = Sent::nothing;
  bool chunked_ = true;
  bool keep_alive_ = true;
  world::Job on_closed_;
};

}  // namespace tidemill::serve
