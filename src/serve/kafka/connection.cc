#include "serve/kafka/connection.h"

#include <array>

namespace tidemill::serve {

using world::Task;

KafkaConnection::KafkaConnection(std::unique_ptr<world::Connection> connection, KafkaSession session, KafkaLimits limits, KafkaReport report)
    : connection_(std::move(connection)), session_(std::move(session)), limits_(limits), report_(std::move(report)) {}

Task<void> KafkaConnection::run() {
  auto self = shared_from_this();
  session_.meter.connections.add(1);
  arm_idle_timer();
  world::spawn(session_.loop, write_replies());
  auto reading = read_requests();
  co_await reading;
  no_more_ = true;
  session_.waits.end();  // nobody will wait for a fetch that waits for more
  to_write_.notify();
  co_await writer_ended_;
  session_.loop.cancel(idle_timer_);
  close();
  session_.meter.connections.add(-1);
}

void KafkaConnection::close() {
  if (std::exchange(closed_, true)) return;
  session_.waits.end();
  connection_->close();
}

void KafkaConnection::end(std::string_view event, const Error& why) {
  if (!closed_ && why.code != Code::cancelled) report_(event, connection_->peer(), why);
  close();
}

// Closes the connection when between two rings no request came and no answer left: an idle client, or one that does not read.
void KafkaConnection::arm_idle_timer() {
  auto ring = [weak = weak_from_this(), before = moved_] {
    auto self = weak.lock();
    if (!self || self->closed_) return;
    if (self->moved_ == before)
      self->end("kafka.idle", fail(Code::unavailable, "nothing came or went within the idle time"));
    else
      self->arm_idle_timer();
  };
  idle_timer_ = session_.loop.run_after(limits_.idle, std::move(ring));
}

Task<void> KafkaConnection::read_requests() {
  while (!closed_) {
    auto reading = read_frame();
    auto frame = co_await reading;
    if (!frame) co_return end("kafka.refused", frame.error());
    if (frame->empty()) co_return;
    ++moved_;
    auto call = read_call(std::move(*frame));
    if (!call) co_return end("kafka.refused", call.error());
    auto waiting = take_turn(may_overlap(*call));
    co_await waiting;
    if (closed_) co_return;
    alone_ = !may_overlap(*call);
    auto key = call->header.key;
    auto at_ns = session_.clock.monotonic_ns();
    begun_.push_back({key, at_ns, answer(session_, std::move(*call))});
    to_write_.notify();
  }
}

Task<void> KafkaConnection::take_turn(bool overlaps) {
  auto room = [&] { return overlaps && !alone_ ? limits_.in_flight_max : 1; };
  while (begun_.size() >= room() && !closed_) co_await written_;
}

Task<void> KafkaConnection::write_replies() {
  auto self = shared_from_this();
  while (true) {
    while (begun_.empty() && !no_more_) co_await to_write_;
    if (begun_.empty()) break;
    auto reply = co_await begun_.front().reply;
    session_.meter.answered(begun_.front().api_key, !reply || reply->with_error, session_.clock.monotonic_ns() - begun_.front().at_ns);
    if (!reply) end("kafka.refused", reply.error());
    if (reply && !reply->parts.empty() && !closed_) {
      auto writing = connection_->write(std::move(reply->parts));
      auto written = co_await writing;
      if (!written) end("kafka.lost", written.error());
    }
    begun_.pop_front();
    ++moved_;
    if (begun_.empty()) alone_ = false;
    written_.notify();
  }
  writer_ended_.notify();
}

Task<Result<bool>> KafkaConnection::read_exactly(std::span<std::byte> into) {
  for (std::size_t got = 0; got < into.size();) {
    auto reading = connection_->read_some(into.subspan(got));
    auto count = co_await reading;
    if (!count) co_return count.error();
    if (*count == 0 && got == 0) co_return false;
    if (*count == 0) co_return fail(Code::invalid, "the connection ended inside a request");
    got += *count;
  }
  co_return true;
}

Task<Result<Slice>> KafkaConnection::read_frame() {
  std::array<std::byte, 4> first;
  auto reading_length = read_exactly(first);
  auto there = co_await reading_length;
  if (!there) co_return there.error();
  if (!*there) co_return Slice();
  auto length = kafka::frame_length(first, limits_.request_bytes_max);
  if (!length) co_return length.error();
  // Not zeroed: memory that the client only announces is never touched.
  auto memory = std::make_shared_for_overwrite<std::byte[]>(*length);
  std::span<std::byte> room(memory.get(), *length);
  auto reading = read_exactly(room);
  auto whole = co_await reading;
  if (!whole) co_return whole.error();
  if (!*whole) co_return fail(Code::invalid, "the connection ended inside a request");
  co_return Slice(std::move(memory), room);
}

}  // namespace tidemill::serve
