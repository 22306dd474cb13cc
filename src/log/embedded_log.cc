#include "log/embedded_log.h"

#include <fmt/core.h>

#include "base/check.h"
#include "log/core.h"
#include "world/real.h"

namespace tidemill::log {
namespace {

constexpr std::uint64_t core_queue_bytes = 16u << 20;  // what the core takes over at once; the rest waits in the mailbox

// 2^30 starts of 2^32 ids each: neither ends in practice. A run that a full disk keeps from making its incarnation durable draws from
// the other half, by the clock: the next run will have the same incarnation.
std::uint64_t upper_half_of_ids(const LogCore& core, world::Clock& clock) {
  constexpr std::uint64_t half = 1u << 30;
  if (core.run_started()) return core.incarnation().value % half;
  return half | static_cast<std::uint64_t>(clock.now_ms()) % half;
}

}  // namespace

EmbeddedLog::EmbeddedLog(world::Disk& disk, world::Clock& clock, EmbeddedOptions options)
    : disk_(disk), clock_(clock), options_(std::move(options)) {}

Result<std::unique_ptr<EmbeddedLog>> EmbeddedLog::open(world::Disk& disk, world::Clock& clock, EmbeddedOptions options) {
  std::unique_ptr<EmbeddedLog> log(new EmbeddedLog(disk, clock, std::move(options)));
  TRY(log->start());
  return log;
}

EmbeddedLog::~EmbeddedLog() { stop(); }

Result<void> EmbeddedLog::start() {
  TRY(disk_.make_dirs(options_.dir));
  auto lock = disk_.lock(options_.dir + "/lock");
  if (!lock && lock.error().code == Code::busy)
    return fail(Code::busy, fmt::format("another tidemill is running on \"{}\"", options_.dir), "stop it, or choose another --data directory");
  if (!lock) return lock.error();
  lock_ = std::move(*lock);
  CoreOptions core;
  core.dir = options_.dir;
  core.journal_file_bytes = whole_blocks(options_.journal_file_bytes);
  core.group_bytes_max = options_.group_bytes_max;
  core.batch_bytes_max = options_.batch_bytes_max;
  core.roll_after_ms = options_.roll_after_ms;
  TRY_ASSIGN(opened, Engine::open(disk_, clock_, std::move(core), options_.keeping, options_.tail_cache_bytes));
  engine_ = std::move(opened);
  engine_->maker.on_want([this] { wake_background(); });
  engine_->keeper.set_append([this](Append marks) { append(std::move(marks), [](Result<Appended>) {}); });
  incarnation_ = engine_->core->incarnation();
  producer_ids_of_ = upper_half_of_ids(*engine_->core, clock_);
  note_refusal();
  background_ = world::start_thread("tm-log-back", [this] { run_background(); });
  thread_ = world::start_thread("tm-log", [this] { run(); });
  return {};
}

void EmbeddedLog::stop() {
  {
    std::lock_guard hold(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  {
    std::lock_guard hold(background_mutex_);
    background_stopping_ = true;
  }
  background_wake_.notify_one();
  if (background_.joinable()) background_.join();
  lock_.reset();
}

void EmbeddedLog::append(Append append, AppendDone done) {
  std::uint64_t bytes = append.marks.size() * entry_row_bytes;
  for (auto& entry : append.entries) bytes += entry.batch.size() + entry_row_bytes;
  std::unique_lock hold(mutex_);
  if (stopped_) {  // there is no thread left to answer on
    hold.unlock();
    return done(fail(Code::unavailable, "the log has stopped"));
  }
  Mail mail{std::move(append), std::move(done), bytes, std::nullopt};
  if (stopping_) mail.refusal = fail(Code::unavailable, "the log is stopping");
  else if (mailbox_bytes_ + bytes > options_.waiting_bytes_max && mailbox_bytes_ > 0)
    mail.refusal = fail(Code::unavailable, fmt::format("{} bytes already wait for the disk", mailbox_bytes_), "send again a little later");
  else mailbox_bytes_ += bytes;
  if (mail.refusal) mail.append = {};
  mailbox_.push_back(std::move(mail));
  bool first = mailbox_.size() == 1;
  hold.unlock();
  if (first) wake_.notify_one();
}

void EmbeddedLog::wake() {
  {
    std::lock_guard hold(mutex_);
    poked_ = true;
  }
  wake_.notify_one();
}

void EmbeddedLog::wake_background() {
  std::lock_guard hold(background_mutex_);
  background_work_ = true;
  background_wake_.notify_one();
}

// False when it is time to stop.
bool EmbeddedLog::wait_for_work(bool more) {
  std::unique_lock hold(mutex_);
  auto ready = [this] { return stopping_ || poked_ || (!mailbox_.empty() && engine_->core->queued_bytes() < core_queue_bytes); };
  if (!more && !ready()) {
    auto at = engine_->core->next_wakeup_ns();
    if (!at) wake_.wait(hold, ready);
    else wake_.wait_for(hold, std::chrono::nanoseconds(std::max<std::int64_t>(*at - clock_.monotonic_ns(), 0)), ready);
  }
  poked_ = false;
  return !stopping_;
}

void EmbeddedLog::empty_mailbox() {
  std::vector<Mail> mail;
  {
    std::lock_guard hold(mutex_);
    if (engine_->core->queued_bytes() >= core_queue_bytes && !stopping_) return;
    mail.swap(mailbox_);
    mailbox_bytes_ = 0;
  }
  for (auto& m : mail) {
    if (m.refusal) m.done(std::move(*m.refusal));
    else engine_->core->submit(std::move(m.append), std::move(m.done));
  }
}

void EmbeddedLog::run() {
  bool more = true;
  while (wait_for_work(more)) {
    empty_mailbox();
    more = engine_->core->pump();
    note_refusal();
    if (engine_->core->fatal()) report_fatal();
  }
  while (!drain()) {}
  if (engine_->core->fatal()) report_fatal();
}

// True when nothing can come any more.
bool EmbeddedLog::drain() {
  empty_mailbox();
  engine_->core->stop();
  std::lock_guard hold(mutex_);
  stopped_ = mailbox_.empty();
  return stopped_;
}

void EmbeddedLog::report_fatal() {
  if (std::exchange(fatal_reported_, true)) return;
  if (options_.on_fatal) options_.on_fatal(*engine_->core->fatal());
}

// Waits for work, or until `at`; false when it is time to stop.
bool EmbeddedLog::wait_for_background_work(std::optional<std::int64_t> at) {
  std::unique_lock hold(background_mutex_);
  auto ready = [this] { return background_work_ || background_stopping_; };
  if (!at) background_wake_.wait(hold, ready);
  else background_wake_.wait_for(hold, std::chrono::nanoseconds(std::max<std::int64_t>(*at - clock_.monotonic_ns(), 0)), ready);
  background_work_ = false;
  return !background_stopping_;
}

// The next journal file comes first: appends may be waiting for it. Everything else leaves the disk alone for as long as it has used
// it, while appends go on.
void EmbeddedLog::run_background() {
  auto& keeper = engine_->keeper;
  bool made = false, more = true;
  std::uint64_t groups = 0;
  std::optional<std::int64_t> rest_until;
  while (wait_for_background_work(rest_until ? rest_until : more ? clock_.monotonic_ns() : keeper.next_wakeup_ns())) {
    while (engine_->maker.step()) made = true;
    if (std::exchange(made, false)) wake();
    auto begun = clock_.monotonic_ns();
    more = engine_->keep_step();
    if (keeper.broken() && !std::exchange(keeper_reported_, true) && options_.on_fatal) options_.on_fatal(*keeper.broken());
    auto ended = clock_.monotonic_ns();
    auto before = std::exchange(groups, engine_->core->counters().groups.load());
    bool busy = groups != before;
    rest_until.reset();
    if (more && busy && !keeper.is_behind()) rest_until = ended + (ended - begun);
  }
}

ProducerId EmbeddedLog::new_producer_id() {
  auto counter = producer_ids_.fetch_add(1);
  CHECK(counter != std::numeric_limits<std::uint32_t>::max());
  return ProducerId{static_cast<std::int64_t>((producer_ids_of_ << 32) | counter)};
}

void EmbeddedLog::note_refusal() {
  auto now = engine_->core->refusing();
  std::lock_guard hold(refusal_mutex_);
  refusal_ = std::move(now);
}

std::optional<Error> EmbeddedLog::refusing() const {
  std::lock_guard hold(refusal_mutex_);
  return refusal_;
}

void EmbeddedLog::set_policies(Policies policies) {
  engine_->keeper.set_policies(std::move(policies));
  wake_background();
}

Keeping EmbeddedLog::keeping() const {
  auto& counted = engine_->keeper.counters();
  Keeping now;
  now.files_sorted = counted.files_sorted;
  now.files_reused = counted.files_reused;
  now.segments_merged = counted.segments_merged;
  now.records_compacted = counted.records_compacted;
  now.streams_trimmed = counted.streams_trimmed;
  now.damaged = counted.damaged;
  now.failures = counted.failures;
  auto tiers = engine_->view.tiers();
  for (auto& file : tiers->sealed) now.unsorted_bytes += file.data_end;
  for (auto& run : tiers->runs)
    for (auto& segment : run.segments) {
      ++now.segments;
      now.segment_bytes += segment.file_bytes;
    }
  return now;
}

const RecoveryReport& EmbeddedLog::recovery() const { return engine_->core->recovery(); }
LogCounters EmbeddedLog::counters() const { return engine_->core->counters().read(); }

}  // namespace tidemill::log
