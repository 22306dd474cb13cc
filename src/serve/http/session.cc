#include "serve/http/session.h"

#include "base/check.h"
#include "serve/http/origin.h"
#include "serve/pieces.h"

namespace tidemill::serve {
namespace {

constexpr std::size_t read_ahead_bytes_max = 16 * 1024;  // of pipelined requests behind the one being answered
constexpr std::chrono::milliseconds stop_patience{5000};
constexpr std::chrono::milliseconds linger{1000};

// For a server that shares no memory with others. Free is what is being read, and a header.
std::shared_ptr<runtime::ByteBudget> own_memory(HttpServerOptions& options) {
  runtime::ByteBudgetOptions memory{.name = "http", .bytes_max = 64 << 20, .free_bytes = 32 * 1024};
  return std::make_shared<runtime::ByteBudget>(options.clock, std::move(memory));
}

http::RequestLimits limits_of(const HttpServerOptions& options) { return {options.header_bytes_max, options.body_bytes_max}; }

}  // namespace

Routes::Routes(HttpServerOptions chosen)
    : options(std::move(chosen)),
      connections(observe::metrics().gauge("tidemill_http_connections", {{"listener", options.name}})),
      refused(observe::metrics().counter("tidemill_connections_refused_total", {{"listener", options.name}})),
      duration_seconds(observe::metrics().histogram("tidemill_http_request_duration_seconds", {{"listener", options.name}})) {
  if (!options.memory) options.memory = own_memory(options);
  const char* classes[] = {"other", "1xx", "2xx", "3xx", "4xx", "5xx"};
  for (std::size_t i = 0; i < answered.size(); ++i) {
    answered[i] = &observe::metrics().counter("tidemill_http_requests_total", {{"listener", options.name}, {"status", classes[i]}});
  }
}

Session::Session(std::shared_ptr<const Routes> routes, world::Loop& loop, std::unique_ptr<world::Connection> connection)
    : routes_(std::move(routes)), loop_(loop), connection_(std::move(connection)), parser_(limits_of(routes_->options)) {
  routes_->connections.add(1);
}

Session::~Session() { routes_->connections.add(-1); }

// Both tasks begin here, in either order.
void Session::hold_memory() {
  if (memory_) return;
  auto leave = [weak = weak_from_this(), &loop = loop_] {
    auto close = [weak] { if (auto self = weak.lock()) self->drop(); };
    loop.post(std::move(close));
  };
  memory_.emplace(*routes_->options.memory, loop_, std::move(leave));
}

Task<void> Session::read(std::shared_ptr<Session> self) {
  hold_memory();
  while (!gone_) {
    auto taking = take_room();
    if (!co_await taking) break;
    auto got = co_await connection_->read_some(buffer_);
    came(discarding_ || !got ? 0 : *got);
    if (!got || *got == 0) break;
    if (discarding_) continue;
    parser_.feed(std::span(buffer_).first(*got));
    arrived_.notify();
    while (!gone_ && !discarding_ && phase_ != Phase::waiting && parser_.buffered_bytes() >= read_ahead_bytes_max) co_await room_;
  }
  client_gone();
}

// For as much as one read can bring, before it is read.
Task<bool> Session::take_room() {
  if (memory_->try_take(buffer_.size())) co_return true;
  memory_->sending.ends();  // now it is the server that does not go on
  auto taking = memory_->take(buffer_.size());
  bool taken = co_await taking;
  if (taken && phase_ == Phase::waiting) memory_->client_begins(memory_->sending);
  co_return taken;
}

void Session::came(std::size_t bytes) {
  received_ += bytes;
  memory_->give_back(buffer_.size() - bytes);
  if (memory_->sending.begun()) memory_->client_moved(memory_->sending, bytes);
  else if (phase_ == Phase::waiting && received_ > routes_->options.memory->options().free_bytes) memory_->client_begins(memory_->sending);
}

// What has come of later requests stays held.
void Session::answered() {
  auto rest = std::min(received_, parser_.buffered_bytes());
  memory_->give_back(received_ - rest);
  received_ = rest;
}

Task<void> Session::answer(std::shared_ptr<Session> self) {
  hold_memory();
  for (;;) {
    phase_ = Phase::waiting;
    room_.notify();
    auto request = co_await next_request();
    if (!request) break;
    phase_ = Phase::working;
    memory_->sending.ends();
    bool go_on = co_await answer_one(std::move(*request));
    answered();
    if (!go_on || stopping_) break;
  }
  disarm();
  drop();
  client_gone();
  room_.notify();
}

Task<std::optional<Request>> Session::next_request() {
  arm();
  for (;;) {
    auto request = parser_.next();
    if (!request) {
      co_await refuse(request.error().message);
      co_return std::nullopt;
    }
    if (*request) {
      disarm();
      co_return std::move(*request);
    }
    if (closed()) co_return std::nullopt;
    if (parser_.take_expect_continue()) {
      std::vector<Slice> go_ahead{Slice::borrow("HTTP/1.1 100 Continue\r\n\r\n")};
      auto sent = co_await send_parts(std::move(go_ahead));
      if (!sent) co_return std::nullopt;
    }
    if (parser_.header_done()) arm();  // a long upload is not idle; a header that drips in is
    co_await arrived_;
  }
}

// The client may still be sending; closing with its bytes unread would reset the connection and take the answer with it.
Task<void> Session::refuse(std::string message) {
  discarding_ = true;
  co_await send_error(parser_.refusal_status(), std::move(message), false);
  loop_.run_after(linger, [weak = weak_from_this()] { if (auto self = weak.lock()) self->drop(); });
  while (!closed()) co_await arrived_;
}

Task<bool> Session::answer_one(Request request) {
  using Kind = Router::Found::Kind;
  keep_alive_ = request.keep_alive;
  chunked_ = request.chunked_allowed;
  if (auto problem = origin_problem(request, routes_->options.hosts_allowed)) co_return co_await send_error(403, std::move(*problem), keep_alive_);
  auto found = routes_->router.find(request.method, request.raw_path);
  if (found.kind == Kind::bad_escape) co_return co_await send_error(400, "the path has a broken escape", keep_alive_);
  if (found.kind == Kind::no_path) co_return co_await send_error(404, "there is nothing at " + request.path, keep_alive_);
  auto& route = routes_->routes[found.index];
  bool head = request.method == "HEAD";
  if (found.kind == Kind::no_method || (head && route.stream)) {
    http::Headers allow{{"Allow", found.kind == Kind::no_method ? found.allow : "GET"}};
    co_return co_await send_error(405, request.method + " is not possible at " + request.path, keep_alive_, std::move(allow));
  }
  request.params = std::move(found.params);
  if (route.stream) co_return co_await answer_stream(route.stream, std::move(request));
  auto begun_ns = routes_->options.clock.monotonic_ns();
  auto handling = route.handler(std::move(request));
  auto response = co_await handling;
  routes_->duration_seconds.observe(static_cast<double>(routes_->options.clock.monotonic_ns() - begun_ns) * 1e-9);
  co_return co_await send(std::move(response), keep_alive_, !head);
}

Task<bool> Session::send(Response response, bool keep_alive, bool with_body) {
  if (stopping_) keep_alive = false;
  count(response.status);
  std::vector<Slice> parts{Slice::own(http::response_head(response.status, response.headers, http::Framing::length, response.body.size(), keep_alive))};
  if (with_body) parts.push_back(std::move(response.body));
  auto sent = co_await send_parts(std::move(parts));
  co_return sent && keep_alive;
}

Task<bool> Session::send_error(int status, std::string message, bool keep_alive, http::Headers extra) {
  auto response = routes_->options.error_shape(status, message);
  for (auto& [name, value] : extra.all()) response.headers.add(name, value);
  return send(std::move(response), keep_alive, true);
}

Task<Result<void>> Session::send_parts(std::vector<Slice> parts) {
  auto left = bytes_of(parts);
  memory_->take_anyway(left);
  Result<void> sent;
  for (Pieces pieces(std::move(parts)); !pieces.done() && sent;) {
    auto piece = pieces.next();
    auto bytes = bytes_of(piece);
    arm();
    memory_->client_begins(memory_->reading);
    sent = co_await connection_->write(std::move(piece));
    memory_->reading.ends();
    disarm();
    left -= bytes;
    memory_->give_back(bytes);
  }
  memory_->give_back(left);
  co_return sent;
}

// --- streaming ---

Task<bool> Session::answer_stream(const StreamHandler& handler, Request request) {
  phase_ = Phase::streaming;
  sent_ = Sent::nothing;
  auto handling = handler(std::move(request), *this);
  co_await handling;
  on_closed_ = nullptr;
  if (sent_ == Sent::nothing) co_return co_await send_error(500, "there was no answer", false);
  auto finished = co_await finish();
  co_return finished && keep_alive_ && !closed();
}

Task<Result<void>> Session::start(int status, http::Headers headers) {
  CHECK(sent_ == Sent::nothing, "a response starts once");
  sent_ = Sent::head;
  count(status);
  if (!chunked_) keep_alive_ = false;
  auto framing = chunked_ ? http::Framing::chunked : http::Framing::until_close;
  std::vector<Slice> parts{Slice::own(http::response_head(status, headers, framing, 0, keep_alive_))};
  return send_parts(std::move(parts));
}

Task<Result<void>> Session::write(Slice bytes) {
  CHECK(sent_ == Sent::head, "write() comes between start() and finish()");
  if (closed()) co_return fail(Code::cancelled, "the client has gone");
  if (bytes.empty()) co_return {};  // an empty chunk would end the body
  std::vector<Slice> parts;
  if (chunked_) parts.push_back(Slice::own(http::chunk_head(bytes.size())));
  parts.push_back(std::move(bytes));
  if (chunked_) parts.push_back(Slice::borrow("\r\n"));
  co_return co_await send_parts(std::move(parts));
}

Task<Result<void>> Session::finish() {
  CHECK(sent_ != Sent::nothing, "finish() comes after start()");
  if (std::exchange(sent_, Sent::all) == Sent::all || !chunked_) co_return {};
  std::vector<Slice> parts{Slice::borrow(http::last_chunk)};
  co_return co_await send_parts(std::move(parts));
}

void Session::on_closed(world::Job job) {
  on_closed_ = std::move(job);
  if (closed()) tell_closed();
}

void Session::tell_closed() {
  if (auto job = std::exchange(on_closed_, nullptr)) job();
}

// --- the end ---

void Session::client_gone() {
  if (std::exchange(gone_, true)) return;
  tell_closed();
  arrived_.notify();
}

void Session::shut() {
  if (std::exchange(stopping_, true)) return;
  if (phase_ == Phase::waiting) drop();
  tell_closed();
  loop_.run_after(stop_patience, [weak = weak_from_this()] { if (auto self = weak.lock()) self->drop(); });
}

// Ends whatever waits: for the client, or for memory.
void Session::drop() {
  connection_->close();
  if (memory_) memory_->end();
}

void Session::count(int status) {
  auto known = status >= 100 && status < 600;
  routes_->answered[known ? static_cast<std::size_t>(status / 100) : 0]->add();
}

void Session::arm() {
  disarm();
  timer_ = loop_.run_after(routes_->options.idle_timeout, [weak = weak_from_this()] { if (auto self = weak.lock()) self->drop(); });
}

void Session::disarm() {
  if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
}

}  // namespace tidemill::serve
