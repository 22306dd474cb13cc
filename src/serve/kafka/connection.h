// One client's connection: requests are taken in order and answered in order.
//
// Two tasks on one shard: the reader takes frames and begins their work, the writer awaits the answers in turn. Produce requests
// overlap, up to a limit, so that the log can gather them into one sync; anything else begins when everything before it is answered.
// A request and its answer count against the memory of all connections from their first byte to their last: a connection that gets
// none stops reading until there is some.
// Garbage ends the connection: after a frame that cannot be understood, the next one cannot be trusted either.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "runtime/signal.h"
#include "serve/kafka/growing_frame.h"
#include "serve/kafka/dispatch.h"

namespace tidemill::serve {

// Tells the operator: (event, peer, why).
using KafkaReport = std::function<void(std::string_view event, const world::Address& peer, const Error& why)>;

struct KafkaLimits {
  std::size_t request_bytes_max = 100u << 20;  // socket.request.max.bytes: of one frame, checked before there is room for it
  std::size_t in_flight_max = 32;              // produce requests begun and not yet answered
  std::chrono::milliseconds idle{600'000};     // connections.max.idle.ms: nothing taken, nothing written; longer than any fetch may wait
};

class KafkaConnection : public std::enable_shared_from_this<KafkaConnection> {
 public:
  KafkaConnection(std::unique_ptr<world::Connection> connection, KafkaSession session, runtime::ByteBudget& memory, KafkaLimits limits, KafkaReport report);

  // Ends when the client or close() ends the connection and every begun request has been let finish.
  world::Task<void> run();
  // On its own loop.
  void close();
  world::Loop& loop() { return session_.loop; }

 private:
  world::Task<void> read_requests();
  world::Task<Result<Slice>> read_frame();  // empty: the client has closed
  world::Task<Result<bool>> read_exactly(std::span<std::byte> into);
  world::Task<Result<void>> read_rest(GrowingFrame& frame);
  world::Task<bool> take_memory(std::size_t bytes);
  world::Task<Result<void>> write_reply(std::vector<Slice> parts);
  void hold_memory();
  world::Task<void> take_turn(bool overlaps);
  world::Task<void> write_replies();
  void arm_idle_timer();
  void end(std::string_view event, const Error& why);

  std::unique_ptr<world::Connection> connection_;
  KafkaSession session_;
  runtime::ByteBudget& memory_;
  KafkaLimits limits_;
  KafkaReport report_;
  std::optional<runtime::ByteBudget::Holding> holding_;  // while it runs

  struct Begun {
    std::int16_t api_key;
    std::int64_t at_ns;
    std::size_t frame_bytes;
    world::Task<Result<KafkaReply>> reply;
  };
  std::deque<Begun> begun_;  // in the order of their requests; the front is being written
  runtime::Signal to_write_, written_, writer_ended_;
  bool alone_ = false;        // what is begun is not a produce, so nothing joins it
  bool no_more_ = false;      // the reader has ended
  bool closed_ = false;
  std::uint64_t moved_ = 0;  // requests taken and pieces of answers written
  std::uint64_t idle_timer_ = 0;
};

}  // namespace tidemill::serve
