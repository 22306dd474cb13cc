// What clients together can make the server hold: crowds of them that begin and do not end, ask and do not read.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "serve/kafka/test_server.h"

namespace tidemill::serve {
namespace {

using namespace kafka;
using namespace std::chrono_literals;

constexpr std::size_t ki = 1024;

runtime::ByteBudgetOptions little(std::chrono::milliseconds patience) {
  return {.name = "kafka", .bytes_max = 256 * ki, .free_bytes = 4 * ki, .progress_bytes = 64 * ki, .patience = patience};
}

void wait_until(std::string_view what, const std::function<bool()>& condition) {
  auto deadline = std::chrono::steady_clock::now() + 20s;
  while (!condition()) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << what;
    std::this_thread::yield();
  }
}

// A bare socket, whose owner decides what is sent and what is read.
class Socket {
 public:
  explicit Socket(const TestServer& server, int receive_bytes = 0) {
    int much = 1 << 20;
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &much, sizeof much);
    if (receive_bytes > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    timeval patience{20, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(server.server->address().port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // Into the socket's buffer; nobody waits for the server to read it.
  void send(std::string_view bytes) { ASSERT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT), static_cast<ssize_t>(bytes.size())); }
  // The length that the next answer begins with.
  std::size_t answer_length() {
    std::array<std::byte, 4> bytes{};
    EXPECT_EQ(::recv(fd_, bytes.data(), bytes.size(), MSG_WAITALL), 4) << "no answer";
    return static_cast<std::size_t>(ByteReader(bytes).i32());
  }

 private:
  int fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
};
using Crowd = std::vector<std::unique_ptr<Socket>>;

ProduceRequest large_produce(std::size_t bytes) {
  record::BatchBuilder builder;
  builder.add(1000, "key", std::string(bytes, 'x'));
  ProduceRequest request;
  request.acks = -1;
  auto& to = request.topics.emplace_back();
  to.name = "orders";
  to.partitions.emplace_back().records.emplace().add(builder.finish());
  return request;
}

FetchRequest fetch_all() {
  FetchRequest request;
  request.min_bytes = 1;
  request.max_bytes = 64 << 20;
  request.session_epoch = -1;
  auto& from = request.topics.emplace_back();
  from.topic = "orders";
  from.partitions.emplace_back().partition_max_bytes = 64 << 20;
  return request;
}

template <class Request>
std::string frame_of(std::int16_t key, std::int16_t version, const Request& request) {
  Encoder out;
  write_request_header(out, {key, version, 1, "test"});
  request.encode(out, version);
  std::string frame;
  for (auto& part : out.take_framed()) frame += part.text();
  return frame;
}

TEST(KafkaMemory, unfinished_requests_hold_no_more_than_there_is_and_all_complete_in_the_end) {
  TestServer server({}, {}, little(1h));
  server.create_topic("orders");
  auto frame = frame_of(produce_key, 8, large_produce(128 * ki));
  auto first = std::string_view(frame).substr(0, 100 * ki), rest = std::string_view(frame).substr(100 * ki);
  Crowd crowd;
  for (int i = 0; i < 15; ++i) crowd.emplace_back(std::make_unique<Socket>(server))->send(first);
  auto& memory = server.server->memory();
  wait_until("those who find no memory to wait", [&] { return memory.waiting() >= 10; });
  EXPECT_LE(memory.taken(), 256 * ki + frame.size());
  for (auto& each : crowd) each->send(rest);
  for (auto& each : crowd) EXPECT_GT(each->answer_length(), 0u);
  wait_until("all to be given back", [&] { return memory.taken() == 0; });
}

TEST(KafkaMemory, clients_that_do_not_go_on_make_room_for_one_that_does) {
  TestServer server({}, {}, little(50ms));
  server.create_topic("orders");
  auto frame = frame_of(produce_key, 8, large_produce(128 * ki));
  auto& stalled = observe::metrics().counter("tidemill_client_memory_stalled_total", {{"listeners", "kafka"}});
  auto before = stalled.value();
  Crowd crowd;
  for (int i = 0; i < 15; ++i) crowd.emplace_back(std::make_unique<Socket>(server))->send(std::string_view(frame).substr(0, 100 * ki));
  TestClient client(server);
  EXPECT_EQ(client.call<ProduceResponse>(produce_key, 8, large_produce(128 * ki)).topics.at(0).partitions.at(0).error_code, NONE);
  EXPECT_GT(stalled.value(), before);
}

TEST(KafkaMemory, a_request_larger_than_all_of_it_is_served) {
  TestServer server({}, {}, little(1h));
  server.create_topic("orders");
  TestClient client(server);
  EXPECT_EQ(client.call<ProduceResponse>(produce_key, 8, large_produce(700 * ki)).topics.at(0).partitions.at(0).error_code, NONE);
  auto fetched = client.call<FetchResponse>(fetch_key, 11, fetch_all());
  EXPECT_GT(fetched.topics.at(0).partitions.at(0).records->size(), 700 * ki);
  wait_until("all to be given back", [&] { return server.server->memory().taken() == 0; });
}

TEST(KafkaMemory, what_is_announced_takes_nothing) {
  TestServer server({}, {}, little(1h));
  Crowd crowd;
  for (int i = 0; i < 15; ++i) crowd.emplace_back(std::make_unique<Socket>(server))->send(std::string_view("\x06\x00\x00\x00" "\x00\x00\x00\x08", 8));
  TestClient client(server);
  client.call<ApiVersionsResponse>(api_versions_key, 0, ApiVersionsRequest());
  EXPECT_EQ(server.server->memory().taken(), 0u);
}

TEST(KafkaMemory, answers_nobody_reads_make_later_answers_smaller) {
  constexpr std::size_t mi = ki * ki;
  auto memory = little(1h);
  memory.bytes_max = 8 * mi;
  TestServer server({}, {}, memory);
  server.create_topic("orders");
  TestClient client(server);
  for (int i = 0; i < 128; ++i) client.call<ProduceResponse>(produce_key, 8, large_produce(64 * ki));
  Crowd crowd;
  std::size_t answered = 0;
  for (int i = 0; i < 15; ++i) crowd.emplace_back(std::make_unique<Socket>(server, 1024))->send(frame_of(fetch_key, 11, fetch_all()));
  for (auto& each : crowd) {
    auto length = each->answer_length();
    EXPECT_GT(length, 64 * ki);
    EXPECT_LT(length, mi + 64 * ki);  // an eighth of what there is
    answered += length;
  }
  EXPECT_LT(answered, 15 * mi);  // some of it lies in the sockets
  EXPECT_LE(server.server->memory().taken(), 8 * mi);
}

}  // namespace
}  // namespace tidemill::serve
