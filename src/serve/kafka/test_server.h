// A Kafka listener over a log in memory, with real sockets, and a client that speaks frames to it. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <future>

#include "log/memory_log.h"
#include "record/batch.h"
#include "serve/kafka/kafka_server.h"
#include "wire/kafka/all_messages.h"
#include "world/real.h"

namespace tidemill::serve {

// Runs `task` on `loop` and waits for its value, from a thread that is not the loop's.
template <class T>
T wait_for(world::Loop& loop, world::Task<T> task) {
  std::promise<T> promise;
  auto future = promise.get_future();
  auto keep = [](world::Task<T> t, std::promise<T>& p) -> world::Task<void> { p.set_value(co_await t); };
  world::spawn(loop, keep(std::move(task), promise));
  if (future.wait_for(std::chrono::seconds(30)) != std::future_status::ready) {
    ADD_FAILURE() << "no answer within 30 s";
    std::abort();
  }
  return future.get();
}

// A log whose next append fails, or whose appends hang until let go.
class FailingLog : public log::MemoryLog {
 public:
  using log::MemoryLog::MemoryLog;
  std::atomic<bool> full = false;
  std::atomic<log::Durability> durability = log::Durability::synced;  // of the last append
  void append(log::Append append, log::AppendDone done) override {
    durability = append.durability;
    if (full && append.purpose == log::Purpose::data) return done(fail(Code::full, "the disk is full"));
    log::MemoryLog::append(std::move(append), std::move(done));
  }
};

struct Report {
  std::string event, why;
};

class TestServer {
 public:
  explicit TestServer(broker::Settings settings = {}, KafkaLimits limits = {}, runtime::ByteBudgetOptions memory = {.name = "kafka"}) : log(world::real_clock()), shards(1), net(world::real_net()) {
    char pattern[] = "/tmp/tidemill-kafka-XXXXXX";
    folder = ::mkdtemp(pattern);
    auto opened = catalog::Catalog::open(log, world::real_disk(), world::real_clock(), world::real_random(), folder);
    EXPECT_TRUE(opened) << opened.error().text();
    catalog = std::move(*opened);
    broker.emplace(broker::Broker{*catalog, log, world::real_clock(), settings});
    KafkaServerOptions options;
    options.address = {"127.0.0.1", 0};
    options.limits = limits;
    options.memory = std::move(memory);
    options.connections_max = 20;
    options.report = [this](std::string_view event, const world::Address&, const Error& why) { keep(event, why); };
    server = std::make_unique<KafkaServer>(*net, shards, *broker, std::move(options));
    auto started = server->start();
    EXPECT_TRUE(started) << started.error().text();
  }
  ~TestServer() {
    server->stop();
    std::filesystem::remove_all(folder);
  }

  void create_topic(const std::string& name, std::int32_t partitions = 1, std::map<std::string, std::string> configs = {}) {
    auto made = catalog->change_and_wait({catalog::CreateTopic{default_tenant, name, partitions, std::move(configs)}});
    ASSERT_TRUE(made) << made.error().text();
  }
  std::vector<Report> reports() const {
    std::lock_guard hold(mutex_);
    return reports_;
  }

  FailingLog log;
  runtime::Shards shards;
  std::unique_ptr<world::Net> net;
  std::string folder;
  std::unique_ptr<catalog::Catalog> catalog;
  std::optional<broker::Broker> broker;
  std::unique_ptr<KafkaServer> server;

 private:
  void keep(std::string_view event, const Error& why) {
    std::lock_guard hold(mutex_);
    reports_.push_back({std::string(event), why.text()});
  }
  mutable std::mutex mutex_;
  std::vector<Report> reports_;
};

// Blocking; everything it does runs on a loop of its own.
class TestClient {
 public:
  explicit TestClient(const TestServer& server) : loop_("client"), net_(world::real_net()) {
    auto connected = wait_for(loop_.loop(), net_->connect(loop_.loop(), server.server->address()));
    EXPECT_TRUE(connected) << connected.error().text();
    connection_ = std::move(*connected);
  }
  ~TestClient() {
    if (connection_) wait_for(loop_.loop(), drop());
  }

  void send_bytes(std::string bytes) {
    std::vector<Slice> parts;
    parts.push_back(Slice::own(std::move(bytes)));
    send(std::move(parts));
  }
  void send(std::vector<Slice> parts) {
    auto sent = wait_for(loop_.loop(), connection_->write(std::move(parts)));
    EXPECT_TRUE(sent) << sent.error().text();
  }
  template <class Request>
  void send_request(std::int16_t key, std::int16_t version, const Request& request, std::int32_t id = 1) {
    kafka::Encoder out;
    kafka::write_request_header(out, {key, version, id, "test"});
    request.encode(out, version);
    send(out.take_framed());
  }
  // The next frame without its length; nothing when the server has closed the connection.
  std::optional<Slice> receive() { return wait_for(loop_.loop(), read_frame()); }

  template <class Response>
  Response read_response(std::int16_t key, std::int16_t version, std::int32_t id = 1) {
    auto frame = receive();
    EXPECT_TRUE(frame) << "connection closed";
    if (!frame) return {};
    kafka::Decoder in(*frame);
    EXPECT_EQ(kafka::read_response_header(in, key, version), id);
    auto response = Response::decode(in, version);
    EXPECT_TRUE(response);
    EXPECT_EQ(in.remaining(), 0u);
    return std::move(*response);
  }
  template <class Response, class Request>
  Response call(std::int16_t key, std::int16_t version, const Request& request) {
    send_request(key, version, request);
    return read_response<Response>(key, version);
  }
  bool closed() { return !receive(); }

 private:
  world::Task<bool> drop() {
    connection_->close();
    connection_.reset();
    co_return true;
  }
  world::Task<std::optional<Slice>> read_frame() {
    auto reading_length = read_exactly(4);
    auto length = co_await reading_length;
    if (length.size() < 4) co_return std::nullopt;
    auto reading = read_exactly(static_cast<std::size_t>(ByteReader(length).i32()));
    co_return Slice::own(co_await reading);
  }
  world::Task<std::string> read_exactly(std::size_t count) {
    std::string bytes(count, '\0');
    for (std::size_t got = 0; got < count;) {
      auto room = std::as_writable_bytes(std::span(bytes)).subspan(got);
      auto reading = connection_->read_some(room);
      auto more = co_await reading;
      if (!more || *more == 0) co_return bytes.substr(0, got);
      got += *more;
    }
    co_return bytes;
  }

  world::LoopThread loop_;
  std::unique_ptr<world::Net> net_;
  std::unique_ptr<world::Connection> connection_;
};

}  // namespace tidemill::serve
