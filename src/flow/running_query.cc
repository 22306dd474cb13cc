#include "flow/running_query.h"

#include "flow/pull.h"

namespace tidemill::flow {
namespace {

constexpr auto retry_delay = std::chrono::milliseconds(200);
constexpr std::int64_t snapshot_kib_per_ms = 16;  // on average, over time
constexpr std::size_t pending_max = 2;  // one in flight, one computed meanwhile

}  // namespace

RunningQuery::RunningQuery(log::Log& log, world::Disk& disk, world::Loop& loop, TaskSpec spec, Options options)
    : log_(log), disk_(disk), loop_(loop), spec_(std::move(spec)), options_(options), meter_(spec_.id) {
  status_.id = spec_.id;
}

void RunningQuery::start() {
  loop_.post([self = shared_from_this()] { self->open(); });
}

void RunningQuery::open() {
  if (stopping_ || stopped_) return;
  auto task = QueryTask::open(log_, &disk_, spec_);
  if (!task) return fail_with(task.error());
  task_ = std::move(*task);
  watch_ = log_.watch(spec_.inputs, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->wake();
  });
  set_snapshot_timer();
  wake();
}

void RunningQuery::wake() {
  if (woken_.exchange(true)) return;
  loop_.post([self = shared_from_this()] {
    self->woken_ = false;
    self->more_ = true;
    self->pump();
  });
}

// Writing a large state stops the query, and the shard with it, for a while: the larger, the more seldom.
void RunningQuery::set_snapshot_timer() {
  auto state_kib = task_ ? static_cast<std::int64_t>(task_->pipeline().state_bytes() >> 10) : 0;
  timer_ = loop_.run_after(std::chrono::milliseconds(options_.snapshot_interval_ms + state_kib / snapshot_kib_per_ms), [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self || self->stopping_ || self->stopped_ || self->failed_) return;
    self->snapshot_wanted_ = self->task_ && self->task_->snapshot_due();
    self->set_snapshot_timer();
    self->pump();
  });
}

// One step at a time, so that other tasks of the shard get their turn.
void RunningQuery::pump() {
  if (stopped_ || failed_ || !task_) {
    if (stopping_) finish_stop();
    else if (failed_) answer_pulls();
    return;
  }
  send();
  if (waiting_to_retry_) answer_pulls();  // a full disk stops writing, not reading
  bool drain = stopping_ || ((snapshot_wanted_ || !pulls_.empty()) && !task_->replaying());
  if (drain && pending_.empty()) return idle();
  if (drain || !more_ || pending_.size() >= pending_max) return;
  compute();
}

void RunningQuery::compute() {
  auto step = task_->step();
  if (!step) return fail_with(step.error());
  more_ = step->moved;
  for (auto& append : step->appends) pending_.push_back(std::move(append));
  publish();
  send();
  if (more_) wake();
}

void RunningQuery::send() {
  if (in_flight_ || waiting_to_retry_ || pending_.empty()) return;
  in_flight_ = true;
  auto copy = pending_.front();  // slices are shared; a refused append is sent again
  log_.append(std::move(copy), [self = shared_from_this()](Result<log::Appended> result) mutable {
    auto& loop = self->loop_;
    loop.post([self = std::move(self), result = std::move(result)]() mutable { self->appended(std::move(result)); });
  });
}

void RunningQuery::appended(Result<log::Appended> result) {
  in_flight_ = false;
  if (failed_) {
    pending_.clear();
  } else if (result) {
    pending_.pop_front();
  } else if (stopping_) {
    pending_.clear();  // not in the log, so the next start computes it again
    stop_snapshot_ = false;
  } else if (result.error().code == Code::full || result.error().code == Code::unavailable) {
    waiting_to_retry_ = true;
    retry_timer_ = loop_.run_after(retry_delay, [weak = weak_from_this()] {
      auto self = weak.lock();
      if (!self) return;
      self->waiting_to_retry_ = false;
      self->pump();
    });
    answer_pulls();
    return;
  } else {
    return fail_with(result.error());
  }
  pump();
}

// Nothing is in flight: what the state holds is durable.
void RunningQuery::idle() {
  answer_pulls();
  if (std::exchange(snapshot_wanted_, false)) {
    auto saved = task_->snapshot();
    if (!saved) {  // the next one may work; until then a restart takes longer
      std::lock_guard hold(status_mutex_);
      status_.error = "snapshot: " + saved.error().message;
    }
  }
  if (stopping_) return finish_stop();
  if (more_) wake();
}

void RunningQuery::answer_pulls() {
  for (auto& pull : std::exchange(pulls_, {})) {
    if (failed_ || !task_) pull.done(fail(Code::unavailable, "query " + spec_.id + " is not running: " + status().error));
    else if (task_->replaying()) pull.done(fail(Code::unavailable, "query " + spec_.id + " is still rebuilding its state", "try again in a moment"));
    else pull.done(answer_pull(task_->pipeline(), *spec_.plan, *pull.plan));
  }
}

void RunningQuery::pull(std::shared_ptr<const sql::QueryPlan> plan, PullDone done) {
  loop_.post([self = shared_from_this(), plan = std::move(plan), done = std::move(done)]() mutable {
    if (self->stopping_ || self->stopped_) return done(fail(Code::cancelled, "query " + self->spec_.id + " is stopping"));
    self->pulls_.push_back({std::move(plan), std::move(done)});
    if (self->task_ || self->failed_) self->pump();  // else open() answers when it is there
  });
}

void RunningQuery::stop(bool snapshot, std::move_only_function<void()> done) {
  loop_.post([self = shared_from_this(), snapshot, done = std::move(done)]() mutable {
    self->stop_done_.push_back(std::move(done));
    if (!std::exchange(self->stopping_, true)) {
      self->stop_snapshot_ = snapshot;
      if (self->waiting_to_retry_) {
        self->loop_.cancel(self->retry_timer_);
        self->waiting_to_retry_ = false;
      }
    }
    self->pump();
  });
}

void RunningQuery::finish_stop() {
  if (in_flight_) return;
  if (!stopped_) {
    answer_pulls();
    if (task_ && !failed_ && stop_snapshot_) (void)task_->snapshot().has_value();  // without it the next start replays more
    loop_.cancel(timer_);
    watch_.reset();
    task_.reset();
    stopped_ = true;
    std::lock_guard hold(status_mutex_);
    if (status_.state == QueryState::running) status_.state = QueryState::stopped;
    meter_.show(status_);
  }
  for (auto& done : std::exchange(stop_done_, {})) done();
}

void RunningQuery::fail_with(const Error& error) {
  failed_ = true;
  pending_.resize(in_flight_ ? 1 : 0);  // the answer to what is in flight is still to come
  {
    std::lock_guard hold(status_mutex_);
    status_.state = QueryState::error;
    status_.error = error.text();
    meter_.show(status_);
  }
  watch_.reset();
  answer_pulls();
  if (stopping_) finish_stop();
}

void RunningQuery::publish() {
  auto counts = task_->counts();
  auto state_bytes = task_->pipeline().state_bytes();
  auto lag = task_->lag();
  std::lock_guard hold(status_mutex_);
  status_.rows_in = counts.rows_in;
  status_.rows_out = counts.rows_out;
  status_.rows_bad = counts.rows_bad;
  status_.state_bytes = state_bytes;
  status_.lag_records = lag;
  meter_.show(status_);
}

QueryStatus RunningQuery::status() const {
  std::lock_guard hold(status_mutex_);
  return status_;
}

}  // namespace tidemill::flow
