#include "connect/postgres/streaming.h"

#include "bytes/cursor.h"
#include "connect/postgres/replication.h"

namespace tidemill::connect::postgres {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t commit_bytes = 1u << 20;
constexpr std::int64_t second_ns = 1'000'000'000;
constexpr milliseconds look_again{500};
constexpr int frames_at_once = 1000;  // between two looks at the clock, the log's answers and the interrupt

}  // namespace

Streaming::Streaming(Session& replication, ChangeTranslator& translator, RecordSink& sink, Interrupt& interrupt, world::Clock& clock, Report report)
    : replication_(replication), translator_(translator), sink_(sink), interrupt_(interrupt), clock_(clock), report_(std::move(report)),
      committed_resume_(translator.position().resume), committed_whole_(translator.position().whole), confirmed_(committed_resume_) {
  progress_.durable = progress_.received = committed_resume_;
  confirmed_ns_ = idle_position_ns_ = clock.monotonic_ns();
}

Error Streaming::run() {
  for (;;) {
    // What is gathered then is left to the next start: the position knows.
    if (interrupt_.stopped()) return fail(Code::cancelled, "the connector was stopped");
    if (auto done = step(); !done) return std::move(done).error();
  }
}

Result<void> Streaming::step() {
  TRY_ASSIGN(more, read_some());
  TRY(sink_.collect());
  if (sink_.gathered_bytes() >= commit_bytes || (!more && sink_.all_durable() && worth_committing())) TRY(commit());
  TRY(write_idle_position());
  TRY(confirm(std::exchange(answer_wanted_, false)));
  if (!more) replication_.wait(look_again);
  return {};
}

// Events, or the end of a transaction of which a part was committed.
bool Streaming::worth_committing() const {
  return sink_.gathered_bytes() > 0 || (!committed_whole_ && translator_.position().whole);
}

// False when the socket has nothing more.
Result<bool> Streaming::read_some() {
  for (int i = 0; i < frames_at_once; ++i) {
    std::string_view frame;
    TRY_ASSIGN(got, replication_.next(frame));
    if (got == CopyStep::nothing_yet) return false;
    if (got == CopyStep::end) return fail(Code::unavailable, "PostgreSQL has ended the replication stream");
    TRY(take_frame(frame));
    if (sink_.gathered_bytes() >= commit_bytes) return true;
  }
  return true;
}

Result<void> Streaming::take_frame(std::string_view frame) {
  if (frame.starts_with('k')) return keepalive(frame);
  if (!frame.starts_with('w') || frame.size() < 25) return fail(Code::corrupt, "PostgreSQL sent a replication frame of unknown kind");
  ByteReader in(frame.substr(1));
  auto lsn = Lsn(in.u64());
  if (frame.size() >= large_change_bytes && sink_.gathered_bytes() > 0) TRY(commit());
  TRY(decode_pgoutput(as_bytes(frame.substr(25)), message_));
  progress_.received = std::max(progress_.received, lsn);
  return translator_.take(message_, lsn, clock_.now_ms());
}

Result<void> Streaming::keepalive(std::string_view frame) {
  ByteReader in(frame.substr(1));
  auto end = Lsn(in.u64());
  in.skip(8);
  if (in.i8() != 0) answer_wanted_ = true;
  if (!in.ok()) return fail(Code::corrupt, "PostgreSQL sent a keepalive that is cut");
  progress_.received = std::max(progress_.received, end);
  if (!translator_.in_transaction()) translator_.advance(end);
  return {};
}

Result<void> Streaming::commit() {
  auto& position = translator_.position();
  committed_resume_ = position.resume;
  committed_whole_ = position.whole;
  idle_position_ns_ = clock_.monotonic_ns();
  return sink_.commit(position_text(position), position.resume.value, translator_.changed_us());
}

// While nothing is captured the server still moves on, and would keep its log for us: every ten seconds the position follows it, and
// at once when the server asks, because one that shuts down waits until we have confirmed everything.
Result<void> Streaming::write_idle_position() {
  if (translator_.position().resume == committed_resume_ || sink_.gathered_bytes() > 0 || translator_.in_transaction()) return {};
  if (!answer_wanted_ && clock_.monotonic_ns() - idle_position_ns_ < 10 * second_ns) return {};
  return sink_.all_durable() ? commit() : Result<void>{};
}

// Tells the server what is durable: when it asks, within a second of news, and every ten seconds.
Result<void> Streaming::confirm(bool now) {
  auto durable = std::max(confirmed_, Lsn(sink_.durable_mark()));
  auto passed = clock_.monotonic_ns() - confirmed_ns_;
  if (passed >= second_ns / 4) {
    progress_.durable = durable;
    progress_.events = translator_.events();
    progress_.waiting_for = sink_.waiting_for();
    report_(progress_);
  }
  if (!now && passed < (durable > confirmed_ ? second_ns : 10 * second_ns)) return {};
  confirmed_ = durable;
  confirmed_ns_ = clock_.monotonic_ns();
  return replication_.send_copy(status_message(durable, clock_.now_ms()));
}

}  // namespace tidemill::connect::postgres
