#include "serve/http/http_server.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <latch>

#include "serve/http/operations.h"
#include "serve/http/origin.h"
#include "serve/http/router.h"
#include "world/simulated.h"

namespace tidemill::serve {
namespace {

// A blocking client, so that the server is tested against something that is not ours.
class Client {
 public:
  explicit Client(world::Address to) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(to.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    timeval patience{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~Client() { ::close(fd_); }
  Client& send(std::string_view text) {
    while (!text.empty()) {
      auto n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) break;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
    return *this;
  }
  void finish() { ::shutdown(fd_, SHUT_WR); }
  // Up to and with `end`; or all until the server closes.
  std::string read_until(std::string_view end) {
    for (;;) {
      auto at = text_.find(end);
      if (!end.empty() && at != std::string::npos) {
        auto out = text_.substr(0, at + end.size());
        text_.erase(0, out.size());
        return out;
      }
      char buffer[4096];
      auto n = ::recv(fd_, buffer, sizeof buffer, 0);
      if (n <= 0) return std::exchange(text_, {}) + (n < 0 ? "<error>" : "");
      text_.append(buffer, static_cast<std::size_t>(n));
    }
  }
  std::string read_all() { return read_until(""); }

 private:
  int fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string text_;
};

std::string body_of(const std::string& response) { return response.substr(std::min(response.size(), response.find("\r\n\r\n") + 4)); }

class HttpServerTest : public testing::Test {
 protected:
  HttpServer& make(std::function<void(HttpServerOptions&)> change = {}) {
    HttpServerOptions options;
    options.name = "test";
    options.address = {"127.0.0.1", 0};
    if (change) change(options);
    server_ = std::make_unique<HttpServer>(*net_, shards_, std::move(options));
    server_->route("GET", "/hello/{name}", [](Request r) -> Task<Response> { co_return Response::text(200, "hello " + std::string(r.param("name"))); });
    server_->route("POST", "/echo", [](Request r) -> Task<Response> { co_return Response::text(200, std::string(r.body.text())); });
    return *server_;
  }
  Client client() { return Client(server_->address()); }
  std::string get(std::string_view path) {
    return client().send("GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").read_all();
  }

  std::unique_ptr<world::Net> net_ = world::real_net();
  runtime::Shards shards_{2};
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, answers_by_method_and_pattern_and_says_why_not) {
  ASSERT_TRUE(make().start());
  EXPECT_EQ(body_of(get("/hello/a%2Fb%20c/")), "hello a/b c");
  EXPECT_TRUE(get("/nowhere").starts_with("HTTP/1.1 404 "));
  EXPECT_EQ(body_of(get("/nowhere")), R"({"error_code":404,"message":"there is nothing at /nowhere"})");
  auto wrong = get("/echo");
  EXPECT_TRUE(wrong.starts_with("HTTP/1.1 405 "));
  EXPECT_NE(wrong.find("Allow: POST\r\n"), std::string::npos);
  auto head = client().send("HEAD /hello/x HTTP/1.1\r\nConnection: close\r\n\r\n").read_all();
  EXPECT_NE(head.find("Content-Length: 7\r\n"), std::string::npos);
  EXPECT_EQ(body_of(head), "");
}

TEST_F(HttpServerTest, pipelined_requests_are_answered_in_order_on_one_connection) {
  auto& server = make();
  auto slow = std::make_shared<std::function<void(int)>>();
  server.route("GET", "/slow", [this](Request) -> Task<Response> {
    auto& loop = shards_.at(0).loop;
    world::Once<int> once(loop.on_this_thread() ? loop : shards_.at(1).loop);
    std::thread other([set = once.setter()] { set(1); });
    co_await once;
    other.join();
    co_return Response::text(200, "slow");
  });
  ASSERT_TRUE(server.start());
  auto c = client();
  c.send("GET /slow HTTP/1.1\r\n\r\nGET /hello/2 HTTP/1.1\r\n\r\nGET /slow HTTP/1.1\r\n\r\nGET /hello/4 HTTP/1.1\r\nConnection: close\r\n\r\n");
  std::string order;
  for (auto end : {"slow", "hello 2", "slow", "hello 4"}) order += body_of(c.read_until(end)) + ";";
  EXPECT_EQ(order, "slow;hello 2;slow;hello 4;");
  EXPECT_EQ(c.read_all(), "");
}

TEST_F(HttpServerTest, a_client_that_has_closed_its_side_still_gets_its_answers) {
  ASSERT_TRUE(make().start());
  auto c = client();
  c.send("POST /echo HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /hello/b HTTP/1.1\r\n\r\n").finish();
  auto all = c.read_all();
  EXPECT_NE(all.find("abc"), std::string::npos);
  EXPECT_TRUE(all.ends_with("hello b"));
}

TEST_F(HttpServerTest, a_body_beyond_the_limit_gets_its_refusal_although_it_keeps_coming) {
  ASSERT_TRUE(make([](auto& o) { o.body_bytes_max = 1000; }).start());
  auto c = client();
  c.send("POST /echo HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n" + std::string(3'000'000, 'x'));
  EXPECT_TRUE(c.read_until("}").starts_with("HTTP/1.1 413 "));
}

TEST_F(HttpServerTest, a_body_within_the_limit_arrives_after_continue) {
  ASSERT_TRUE(make([](auto& o) { o.body_bytes_max = 5'000'000; }).start());
  auto c = client();
  c.send("POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3000000\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(c.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  std::string body(3'000'000, 'y');
  EXPECT_EQ(body_of(c.send(body).read_all()), body);
}

TEST_F(HttpServerTest, a_stream_arrives_in_chunks_and_the_connection_goes_on) {
  auto& server = make();
  server.route_stream("POST", "/count", [](Request r, ResponseStream& out) -> Task<void> {
    http::Headers headers{{"Content-Type", "text/plain"}};
    auto started = co_await out.start(200, std::move(headers));
    for (char c : r.body.text()) {
      auto written = co_await out.write(Slice::copy(std::string_view(&c, 1)));
      EXPECT_TRUE(written);
    }
  });
  ASSERT_TRUE(server.start());
  auto c = client();
  c.send("POST /count HTTP/1.1\r\nContent-Length: 2\r\n\r\nab");
  EXPECT_EQ(body_of(c.read_until("0\r\n\r\n")), "1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
  EXPECT_EQ(body_of(c.send("GET /hello/x HTTP/1.1\r\n\r\n").read_until("hello x")), "hello x");
  c.send("POST /count HTTP/1.0\r\nContent-Length: 2\r\n\r\nab");
  EXPECT_EQ(body_of(c.read_all()), "ab") << "HTTP/1.0 knows no chunks";
}

// Writes one line, then waits until it is told that nobody listens any more.
StreamHandler waiting_stream(std::latch& ended) {
  return [&ended](Request, ResponseStream& out) -> Task<void> {
    auto started = co_await out.start(200, http::Headers());
    auto written = co_await out.write(Slice::borrow("first\n"));
    world::Once<bool> over(out.loop());
    out.on_closed([set = over.setter()] { set(true); });
    co_await over;
    EXPECT_TRUE(out.closed());
    auto late = co_await out.write(Slice::borrow("late"));
    EXPECT_FALSE(late);
    ended.count_down();
  };
}

TEST_F(HttpServerTest, a_stream_learns_that_its_client_has_gone) {
  std::latch ended(1);
  auto& server = make();
  server.route_stream("GET", "/watch", waiting_stream(ended));
  ASSERT_TRUE(server.start());
  {
    auto c = client();
    c.send("GET /watch HTTP/1.1\r\n\r\n").read_until("first\n");
  }
  ended.wait();
}

TEST_F(HttpServerTest, stop_ends_streams_and_idle_connections_but_lets_a_handler_answer) {
  std::latch ended(1), working(1), release(1);
  auto& server = make();
  server.route_stream("GET", "/watch", waiting_stream(ended));
  server.route("GET", "/work", [&](Request) -> Task<Response> {
    working.count_down();
    release.wait();
    co_return Response::text(200, "done");
  });
  ASSERT_TRUE(server.start());
  auto watching = client(), idle = client(), busy = client();
  watching.send("GET /watch HTTP/1.1\r\n\r\n").read_until("first\n");
  idle.send("GET /hello/x HTTP/1.1\r\n\r\n").read_until("hello x");
  busy.send("GET /work HTTP/1.1\r\n\r\n");
  working.wait();
  server.begin_stop();
  EXPECT_FALSE(server.stopped());
  release.count_down();
  EXPECT_TRUE(busy.read_all().ends_with("done"));
  server.stop();
  ended.wait();
  EXPECT_TRUE(server.stopped());
  EXPECT_EQ(idle.read_all(), "");
}

TEST_F(HttpServerTest, an_idle_connection_is_closed_and_one_too_many_is_turned_away) {
  ASSERT_TRUE(make([](auto& o) { o.idle_timeout = std::chrono::milliseconds(300); o.connections_max = 1; }).start());
  auto first = client();
  first.send("GET /hello/x HTTP/1.1\r\n\r\n").read_until("hello x");
  EXPECT_TRUE(client().send("GET /hello/y HTTP/1.1\r\n\r\n").read_all().starts_with("HTTP/1.1 503 "));
  EXPECT_EQ(first.read_all(), "") << "closed by the server";
}

TEST_F(HttpServerTest, unfinished_bodies_hold_no_more_than_there_is_and_make_room_for_one_that_goes_on) {
  runtime::ByteBudgetOptions little{.name = "http", .bytes_max = 256 << 10, .free_bytes = 32 << 10, .patience = std::chrono::milliseconds(50)};
  auto memory = std::make_shared<runtime::ByteBudget>(world::real_clock(), little);
  auto& stalled = observe::metrics().counter("tidemill_client_memory_stalled_total", {{"listeners", "http"}});
  auto before = stalled.value();
  ASSERT_TRUE(make([&](auto& o) { o.memory = memory; }).start());
  std::string_view head = "POST /echo HTTP/1.1\r\nContent-Length: 200000\r\nConnection: close\r\n\r\n";
  std::vector<std::unique_ptr<Client>> crowd;
  for (int i = 0; i < 10; ++i) crowd.emplace_back(std::make_unique<Client>(server_->address()))->send(head).send(std::string(150'000, 'x'));
  std::string body(200'000, 'y');
  EXPECT_EQ(body_of(client().send(head).send(body).read_all()), body);
  EXPECT_GT(stalled.value(), before);
  crowd.clear();
  server_->stop();
  EXPECT_EQ(memory->taken(), 0u);
}

TEST_F(HttpServerTest, a_seat_that_another_listener_has_taken_is_not_given_twice) {
  auto seats = std::make_shared<runtime::Seats>(1);
  ASSERT_TRUE(make([&](auto& o) { o.seats = seats; }).start());
  ASSERT_TRUE(seats->take());
  EXPECT_EQ(client().read_all(), "") << "closed by the server";
  seats->leave();
  EXPECT_EQ(body_of(get("/hello/x")), "hello x");
  server_->stop();
  EXPECT_EQ(seats->taken(), 0u);
}

TEST_F(HttpServerTest, pages_of_other_sites_and_rebound_names_are_refused) {
  ASSERT_TRUE(make([](auto& o) { o.hosts_allowed = {"mill.example"}; }).start());
  auto status = [&](std::string headers) { return client().send("POST /echo HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n" + headers + "\r\n").read_all().substr(9, 3); };
  EXPECT_EQ(status("Host: 127.0.0.1:8083\r\n"), "200");
  EXPECT_EQ(status("Host: [::1]:8083\r\n"), "200");
  EXPECT_EQ(status("Host: localhost\r\n"), "200");
  EXPECT_EQ(status("Host: mill.example:80\r\n"), "200");
  EXPECT_EQ(status("Host: evil.example:8083\r\n"), "403");
  EXPECT_EQ(status("Host: localhost\r\nSec-Fetch-Site: cross-site\r\n"), "403");
  EXPECT_EQ(status("Host: localhost\r\nSec-Fetch-Site: same-origin\r\n"), "200");
}

TEST_F(HttpServerTest, a_taken_port_is_reported_by_start) {
  ASSERT_TRUE(make().start());
  HttpServerOptions options;
  options.address = server_->address();
  HttpServer second(*net_, shards_, options);
  auto started = second.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, Code::busy);
}

TEST_F(HttpServerTest, operators_see_metrics_and_readiness) {
  auto recovered = std::make_shared<std::atomic<bool>>(false);
  auto& server = make();
  add_operations(server, [recovered]() -> std::optional<std::string> { return *recovered ? std::nullopt : std::optional<std::string>("recovering"); });
  ASSERT_TRUE(server.start());
  EXPECT_EQ(body_of(get("/livez")), "ok\n");
  EXPECT_TRUE(get("/readyz").starts_with("HTTP/1.1 503 "));
  *recovered = true;
  EXPECT_TRUE(get("/readyz").starts_with("HTTP/1.1 200 "));
  auto metrics = get("/metrics");
  EXPECT_NE(metrics.find("Content-Type: text/plain; version=0.0.4"), std::string::npos);
  EXPECT_NE(metrics.find("tidemill_http_requests_total{listener=\"test\",status=\"5xx\"}"), std::string::npos);
  EXPECT_NE(metrics.find("tidemill_http_request_duration_seconds_count{listener=\"test\"}"), std::string::npos);
}

// Sends everything at once and closes when the server does, or when it has seen `end`.
Task<void> ask(world::Net& net, world::Loop& loop, world::Address address, std::string requests, std::string end, std::string& answer, int& done) {
  auto connection = std::move(*co_await net.connect(loop, address));
  std::vector<Slice> parts{Slice::copy(requests)};
  auto written = co_await connection->write(std::move(parts));
  EXPECT_TRUE(written);
  std::array<std::byte, 700> buffer;
  while (answer.find(end) == std::string::npos) {
    auto got = co_await connection->read_some(buffer);
    if (!got || *got == 0) break;
    answer += as_text(std::span(buffer).first(*got));
  }
  ++done;
}

TEST(HttpServerSimulated, answers_are_whole_and_in_order_under_every_interleaving) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    world::SimulatedWorld world(seed);
    auto& one = world.add_loop();
    auto& two = world.add_loop();
    auto& outside = world.add_loop();
    runtime::Shards shards(std::vector<world::Loop*>{&one, &two});
    HttpServerOptions options{.name = "simulated", .address = {"127.0.0.1", 0}, .clock = world.clock()};
    HttpServer server(world.net(), shards, options);
    server.route("POST", "/echo", [](Request r) -> Task<Response> { co_return Response::text(200, "<" + std::string(r.body.text()) + ">"); });
    int streams_over = 0;
    server.route_stream("GET", "/forever", [&](Request, ResponseStream& out) -> Task<void> {
      auto started = co_await out.start(200, http::Headers());
      auto pause = world::sleep_for(out.loop(), std::chrono::milliseconds(10));
      for (;;) {
        auto written = co_await out.write(Slice::copy("tick"));
        if (!written) break;
        co_await pause;
      }
      ++streams_over;
    });
    ASSERT_TRUE(server.start());
    std::string big(30'000, 'b'), requests;
    for (std::string body : {std::string("1"), big, std::string("3")}) requests += "POST /echo HTTP/1.1\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    int done = 0;
    std::deque<std::string> answers;
    for (int i = 0; i < 5; ++i) world::spawn(outside, ask(world.net(), outside, server.address(), requests, "<3>", answers.emplace_back(), done));
    std::string left, kept;
    world::spawn(outside, ask(world.net(), outside, server.address(), "GET /forever HTTP/1.1\r\n\r\n", "tick", left, done));
    world::spawn(outside, ask(world.net(), outside, server.address(), "GET /forever HTTP/1.1\r\n\r\n", "never", kept, done));
    EXPECT_TRUE(world.run_until([&] { return done == 6 && streams_over == 1 && kept.ends_with("tick\r\n"); }, std::chrono::seconds(30))) << seed;
    for (auto& answer : answers) {
      auto first = answer.find("<1>"), second = answer.find("<" + big + ">"), third = answer.find("<3>");
      EXPECT_TRUE(first < second && second < third && third != std::string::npos) << seed;
    }
    server.begin_stop();
    EXPECT_TRUE(world.run_until([&] { return server.stopped() && done == 7; }, std::chrono::seconds(30))) << seed;
    EXPECT_EQ(streams_over, 2);
  }
}

TEST(Router, the_more_definite_pattern_wins_whatever_the_order) {
  Router router;
  router.add("GET", "/{rest...}", 0);
  router.add("GET", "/a/{x}", 1);
  router.add("GET", "/a/b", 2);
  router.add("GET", "/a/{x}/c", 3);
  router.add("GET", "/", 4);
  auto index = [&](std::string_view path) { return router.find("GET", path).index; };
  EXPECT_EQ(index("/a/b"), 2u);
  EXPECT_EQ(index("/a/z"), 1u);
  EXPECT_EQ(index("/a/b/c"), 3u);
  EXPECT_EQ(index("/a/b/d"), 0u);
  EXPECT_EQ(index("/"), 4u);
  EXPECT_EQ(router.find("GET", "/q/r%20s").params["rest"], "q/r s");
}

}  // namespace
}  // namespace tidemill::serve
