#include "serve/kafka/connection.h"

#include <array>

#include "serve/pieces.h"

namespace tidemill::serve {

using world::Task;

KafkaConnection::KafkaConnection(std::unique_ptr<world::Connection> connection, KafkaSession session, runtime::ByteBudget& memory, KafkaLimits limits,
                                 KafkaReport report)
    : connection_(std::move(connection)), session_(std::move(session)), memory_(memory), limits_(limits), report_(std::move(report)) {}

Task<void> KafkaConnection::run() {
  auto self = shared_from_this();
  session_.meter.connections.add(1);
  hold_memory();
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
  session_.memory = nullptr;
  holding_.reset();
  session_.meter.connections.add(-1);
}

void KafkaConnection::hold_memory() {
  auto leave = [weak = weak_from_this(), &loop = session_.loop] {
    auto close = [weak] { if (auto self = weak.lock()) self->close(); };
    loop.post(std::move(close));
  };
  holding_.emplace(memory_, session_.loop, std::move(leave));
  session_.memory = &*holding_;
}

void KafkaConnection::close() {
  if (std::exchange(closed_, true)) return;
  session_.waits.end();
  if (holding_) holding_->end();
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
    auto frame_bytes = frame->size();
    auto call = read_call(std::move(*frame));
    if (!call) co_return end("kafka.refused", call.error());
    auto waiting = take_turn(may_overlap(*call));
    co_await waiting;
    if (closed_) co_return;
    alone_ = !may_overlap(*call);
    auto key = call->header.key;
    auto at_ns = session_.clock.monotonic_ns();
    begun_.push_back({key, at_ns, frame_bytes, answer(session_, std::move(*call))});
    to_write_.notify();
    while (holding_->beyond() && !begun_.empty() && !closed_) co_await written_;
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
      auto writing = write_reply(std::move(reply->parts));
      auto written = co_await writing;
      if (!written) end("kafka.lost", written.error());
    }
    auto frame_bytes = begun_.front().frame_bytes;
    begun_.pop_front();
    holding_->give_back(frame_bytes + std::exchange(session_.answer_held, 0));
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
  GrowingFrame frame(*length);
  auto reading = read_rest(frame);
  auto whole = co_await reading;
  holding_->sending.ends();
  if (!whole) co_return whole.error();
  co_return frame.take();
}

// Memory is taken before there is room for what comes, a step at a time: what a client only announces costs nothing.
Task<Result<void>> KafkaConnection::read_rest(GrowingFrame& frame) {
  std::size_t taken = 0;
  while (!frame.whole()) {
    if (taken == frame.got()) {
      auto step = frame.next_step();
      auto taking = take_memory(step);
      if (!co_await taking) co_return fail(Code::cancelled, "the connection is closed");
      taken += step;
      if (frame.got() > 0) holding_->client_begins(holding_->sending);
    }
    auto reading = connection_->read_some(frame.room(taken - frame.got()));
    auto count = co_await reading;
    if (!count) co_return count.error();
    if (*count == 0) co_return fail(Code::invalid, "the connection ended inside a request");
    frame.came(*count);
    if (holding_->sending.begun()) holding_->client_moved(holding_->sending, *count);
  }
  co_return {};
}

// While it is the server that makes a client wait, the client is not to blame.
Task<bool> KafkaConnection::take_memory(std::size_t bytes) {
  if (holding_->try_take(bytes)) co_return true;
  holding_->sending.ends();
  auto taking = holding_->take(bytes);
  co_return co_await taking;
}

Task<Result<void>> KafkaConnection::write_reply(std::vector<Slice> parts) {
  auto left = bytes_of(parts);
  auto& held = session_.answer_held;
  if (left > held) holding_->take_anyway(left - held), held = left;
  bool small = left <= Pieces::piece_bytes;
  Pieces pieces(std::move(parts));
  while (!pieces.done() && !closed_) {
    if (!small) co_await session_.turns.pass();
    auto piece = pieces.next();
    auto bytes = bytes_of(piece);
    holding_->client_begins(holding_->reading);
    auto writing = connection_->write(std::move(piece));
    auto written = co_await writing;
    holding_->reading.ends();
    if (!written) co_return written.error();
    held -= bytes;
    ++moved_;
    holding_->give_back(bytes);
    if (!pieces.done()) co_await runtime::Yield{session_.loop};
  }
  co_return {};
}

}  // namespace tidemill::serve
