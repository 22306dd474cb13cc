#include "connect/record_sink.h"

#include "connect/position_stream.h"

#include <fmt/format.h>

namespace tidemill::connect {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds retry_delay_first{50}, retry_delay_max{2000};

bool retriable(Code code) { return code == Code::full || code == Code::out_of_order; }

std::size_t bytes_of(const std::vector<log::Entry>& entries) {
  std::size_t bytes = 0;
  for (auto& entry : entries) bytes += entry.batch.size();
  return bytes;
}

}  // namespace

std::uint32_t murmur2(std::string_view bytes) {
  constexpr std::uint32_t m = 0x5bd1e995;
  auto hash = 0x9747b28cu ^ static_cast<std::uint32_t>(bytes.size());
  auto at = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])); };
  std::size_t i = 0;
  for (; i + 4 <= bytes.size(); i += 4) {
    auto k = (at(i) | at(i + 1) << 8 | at(i + 2) << 16 | at(i + 3) << 24) * m;
    k ^= k >> 24;
    hash = hash * m ^ k * m;
  }
  std::uint32_t tail = 0;
  for (auto j = bytes.size(); j > i; --j) tail = tail << 8 | at(j - 1);
  if (i < bytes.size()) hash = (hash ^ tail) * m;
  hash = (hash ^ hash >> 13) * m;
  return hash ^ hash >> 15;
}

// The log's answers, in any order: a refusal may overtake an append that waits for the disk. Callbacks write here from the log's thread.
struct RecordSink::Answers {
  std::mutex mutex;
  std::condition_variable more;
  std::size_t awaited = 0;
  std::vector<std::pair<std::uint64_t, Result<log::Appended>>> arrived;
  std::string waiting_for;
  Interrupt* interrupt = nullptr;  // null once the sink is gone
};

RecordSink::RecordSink(log::Log& log, catalog::Catalog& catalog, world::Clock& clock, Interrupt& interrupt, RecordSinkOptions options)
    : log_(log), catalog_(catalog), clock_(clock), interrupt_(interrupt), options_(std::move(options)), producer_(log.new_producer_id()),
      answers_(std::make_shared<Answers>()) {
  answers_->interrupt = &interrupt;
}

// Nothing of ours may land after we are gone: whoever comes next begins at the last position it finds.
RecordSink::~RecordSink() {
  std::unique_lock hold(answers_->mutex);
  answers_->more.wait(hold, [&] { return answers_->awaited == 0; });
  answers_->interrupt = nullptr;
}

Result<std::shared_ptr<const catalog::Topic>> RecordSink::find_or_create(const std::string& name) {
  if (auto found = catalog_.find_topic(options_.tenant, name)) return found;
  TRY(catalog::check_topic_name(name));
  for (auto delay = retry_delay_first; !interrupt_.stopped(); delay = std::min(delay * 2, retry_delay_max)) {
    auto made = catalog_.change_and_wait({catalog::CreateTopic{options_.tenant, name, options_.partitions, options_.topic_configs, false}});
    if (!made && made.error().code != Code::already_exists && made.error().code != Code::full) return made.error();
    if (auto found = catalog_.find_topic(options_.tenant, name)) return found;
    interrupt_.rest(delay);
  }
  return fail(Code::cancelled, "the connector was stopped");
}

Result<RecordSink::Topic*> RecordSink::topic(const std::string& name) {
  auto& slot = topics_[name];
  if (!slot) {
    TRY_ASSIGN(known, find_or_create(name));
    slot = std::make_unique<Topic>();
    slot->name = name;
    slot->partitions.resize(static_cast<std::size_t>(known->partitions), record::BatchBuilder(options_.codec));
    slot->known = std::move(known);
  }
  return slot.get();
}

void RecordSink::add(Topic& topic, std::int64_t timestamp_ms, std::optional<std::string_view> key, std::optional<std::string_view> value,
                     std::span<const record::BatchBuilder::HeaderPair> headers) {
  std::size_t partition = 0;
  if (topic.partitions.size() > 1 && key) partition = (murmur2(*key) & 0x7FFFFFFF) % topic.partitions.size();
  auto& batch = topic.partitions[partition];
  auto before = batch.body_bytes();
  if (batch.count() == 0) touched_.push_back(&topic);
  batch.add(timestamp_ms, key, value, headers);
  gathered_bytes_ += batch.body_bytes() - before;
  ++gathered_records_;
}

// A topic that was deleted meanwhile is made anew: its old streams take nothing more.
Result<void> RecordSink::renew(Topic& topic) {
  if (catalog_.find_topic(topic.known->uuid)) return {};
  TRY_ASSIGN(known, find_or_create(topic.name));
  if (static_cast<std::size_t>(known->partitions) < topic.partitions.size())
    return fail(Code::invalid, fmt::format("topic {} was made anew with fewer partitions", topic.name), "restart the connector");
  for (std::int32_t p = 0; p < topic.known->partitions; ++p) renewed_[topic.known->stream(p)] = known->stream(p);
  topic.known = std::move(known);
  return {};
}

// Records that were on their way to a topic when it was deleted go to the one made anew. False when none were.
Result<bool> RecordSink::reroute() {
  for (auto& [name, topic] : topics_) TRY(renew(*topic));
  bool any = false;
  for (auto& flight : in_flight_)
    for (auto& entry : flight.append.entries)
      for (auto next = renewed_.find(entry.stream); next != renewed_.end(); next = renewed_.find(entry.stream)) {
        entry.stream = next->second;
        any = true;
      }
  return any;
}

// The gathered records as finished batches.
Result<std::vector<log::Entry>> RecordSink::seal() {
  for (auto* topic : touched_) TRY(renew(*topic));
  std::vector<log::Entry> entries;
  for (auto* topic : touched_)
    for (std::size_t p = 0; p < topic->partitions.size(); ++p)
      if (topic->partitions[p].count() > 0)
        entries.push_back({options_.tenant, topic->known->stream(static_cast<std::int32_t>(p)), topic->partitions[p].finish()});
  touched_.clear();
  gathered_bytes_ = 0;
  return entries;
}

log::Entry RecordSink::position_entry(std::string_view position) {
  record::BatchBuilder batch;
  batch.add(clock_.now_ms(), std::nullopt, position);
  batch.producer(producer_.value, 0, sequence_);
  sequence_ = sequence_ == std::numeric_limits<std::int32_t>::max() ? 0 : sequence_ + 1;
  return {options_.tenant, options_.positions, batch.finish()};
}

Result<void> RecordSink::commit(std::string position, std::uint64_t mark, std::int64_t changed_us) {
  TRY(collect());
  Flight flight{.mark = mark, .records = std::exchange(gathered_records_, 0), .record_bytes = gathered_bytes_, .changed_us = changed_us};
  TRY_ASSIGN(entries, seal());
  if (bytes_of(entries) + position.size() + 1024 > log_.append_bytes_max()) TRY(append_oversized(entries, position));
  flight.append.purpose = entries.empty() ? log::Purpose::control : log::Purpose::data;
  flight.append.entries = std::move(entries);
  TRY(wait_for_room(bytes_of(flight.append.entries)));
  launch(std::move(flight), position);
  last_position_ = std::move(position);
  // The log checks sequences only from the second batch of a producer on, so the first goes alone.
  if (std::exchange(first_, false)) return drain();
  return {};
}

// Only the newest position counts, so now and then an append gives up all but a few.
void RecordSink::give_up_old_positions(log::Append& append) {
  if (++positions_written_ < options_.positions_trim_every) return;
  positions_written_ = 0;
  auto bounds = log_.bounds(options_.positions);
  if (auto kept_from = bounds.end - options_.positions_kept; kept_from > bounds.start)
    append.marks.push_back({log::Mark::Kind::trim, options_.positions, kept_from});
}

void RecordSink::launch(Flight flight, std::string_view position) {
  flight.append.entries.push_back(position_entry(position));
  give_up_old_positions(flight.append);
  flight.bytes = bytes_of(flight.append.entries);
  flight.number = next_number_++;
  in_flight_bytes_ += flight.bytes;
  in_flight_.push_back(std::move(flight));
  send(in_flight_.back());
}

Result<void> RecordSink::announce(const log::Entry& entry, const std::string& position) {
  TRY_ASSIGN(header, record::read_header(entry.batch.bytes()));
  Announcement announcement{entry.stream, log_.bounds(entry.stream).end, header.crc, last_position_, position};
  Flight flight;
  flight.mark = durable_mark_;
  launch(std::move(flight), announcement_text(announcement));
  return drain();
}

// What is larger than an append may be goes ahead of its position, batch by batch, when all before it is durable. A batch that is alone, as
// that of a large change is (see large_change_bytes), is announced first, so that a crash in between repeats nothing. Several are not: they come
// of a change of key between two partitions in a row of megabytes, and may come twice.
Result<void> RecordSink::append_oversized(std::vector<log::Entry>& entries, const std::string& position) {
  TRY(drain());
  if (entries.size() == 1 && !last_position_.empty()) TRY(announce(entries.front(), position));
  for (auto delay = retry_delay_first; !entries.empty();) {
    log::Append one;
    one.entries.push_back(entries.front());
    auto done = log::append_and_wait(log_, std::move(one));
    if (done) {
      entries.erase(entries.begin());
      continue;
    }
    if (done.error().code != Code::full) return done.error();
    if (interrupt_.stopped()) return fail(Code::cancelled, "the connector was stopped");
    interrupt_.rest(delay);
    delay = std::min(delay * 2, retry_delay_max);
  }
  return {};
}

void RecordSink::send(Flight& flight) {
  flight.answer.reset();
  {
    std::lock_guard hold(answers_->mutex);
    ++answers_->awaited;
  }
  log_.append(flight.append, [answers = answers_, number = flight.number](Result<log::Appended> result) {
    std::lock_guard hold(answers->mutex);
    answers->arrived.emplace_back(number, std::move(result));
    --answers->awaited;
    answers->more.notify_one();
    if (answers->interrupt) answers->interrupt->ring();
  });
}

void RecordSink::take_answers() {
  std::lock_guard hold(answers_->mutex);
  for (auto& [number, answer] : answers_->arrived) in_flight_[number - in_flight_.front().number].answer.emplace(std::move(answer));
  answers_->arrived.clear();
}

// What the log has taken is durable: always the first of those in flight.
void RecordSink::settle() {
  for (; !in_flight_.empty() && in_flight_.front().answer && *in_flight_.front().answer; in_flight_.pop_front()) {
    auto& flight = in_flight_.front();
    in_flight_bytes_ -= flight.bytes;
    durable_mark_ = flight.mark;
    if (options_.meter) options_.meter->appended(flight.records, flight.record_bytes, flight.changed_us, clock_.now_ms() * 1000);
    if (std::exchange(retry_delay_, milliseconds{0}) == milliseconds{0}) continue;
    std::lock_guard hold(answers_->mutex);
    answers_->waiting_for.clear();
  }
}

Result<void> RecordSink::collect() {
  take_answers();
  settle();
  // A refusal is acted on when everything behind it has been answered too.
  for (auto& flight : in_flight_)
    if (!flight.answer) return {};
  return in_flight_.empty() ? Result<void>{} : recover(std::move(*in_flight_.front().answer).error());
}

Result<void> RecordSink::recover(Error error) {
  if (error.code == Code::not_found) {
    TRY_ASSIGN(rerouted, reroute());
    if (!rerouted) return error;
  } else if (!retriable(error.code)) {
    return error;
  }
  {
    std::lock_guard hold(answers_->mutex);
    answers_->waiting_for = error.text();
  }
  if (options_.on_refused) options_.on_refused(error.text());
  retry_delay_ = retry_delay_ == milliseconds{0} ? retry_delay_first : std::min(retry_delay_ * 2, retry_delay_max);
  interrupt_.rest(retry_delay_);
  if (interrupt_.stopped()) return fail(Code::cancelled, "the connector was stopped");
  for (auto& flight : in_flight_) send(flight);
  return {};
}

Result<void> RecordSink::wait_for_room(std::size_t bytes) {
  while (!in_flight_.empty() && in_flight_bytes_ + bytes > options_.in_flight_bytes_max) {
    if (interrupt_.stopped()) return fail(Code::cancelled, "the connector was stopped");
    interrupt_.rest(milliseconds{1000});
    TRY(collect());
  }
  return {};
}

Result<void> RecordSink::drain() {
  TRY(collect());
  while (!in_flight_.empty()) {
    if (interrupt_.stopped()) return fail(Code::cancelled, "the connector was stopped");
    interrupt_.rest(milliseconds{1000});
    TRY(collect());
  }
  return {};
}

std::string RecordSink::waiting_for() const {
  std::lock_guard hold(answers_->mutex);
  return answers_->waiting_for;
}

}  // namespace tidemill::connect
