#include "flow/push_query.h"

#include "flow/pull.h"

namespace tidemill::flow {

Result<std::shared_ptr<PushTask>> PushTask::make(log::Log& log, world::Loop& loop, Spec spec, PushSink sink) {
  std::shared_ptr<PushTask> task(new PushTask(log, loop, std::move(spec), std::move(sink)));
  TRY_ASSIGN(pipeline, Pipeline::make(task->spec_.plan, false));
  task->pipeline_ = std::move(pipeline);
  task->spec_.batch_rows_max = task->pipeline_->rows_at_once(task->spec_.batch_rows_max);
  // Where it begins is decided now, in the caller's call: what is written after it is seen.
  std::vector<Positions::Input> from;
  for (auto stream : task->spec_.inputs) {
    auto bounds = log.bounds(stream);
    from.push_back({stream, task->spec_.from_earliest ? bounds.start : bounds.end});
    task->until_.push_back({stream, bounds.end});
  }
  task->input_.seek(from);
  return task;
}

void PushTask::start() {
  loop_.post([self = shared_from_this()] { self->begin(); });
}

void PushTask::begin() {
  if (ended_) return;
  watch_ = log_.watch(spec_.inputs, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->wake();
  });
  step();
}

void PushTask::cancel() {
  loop_.post([self = shared_from_this()] { self->end({}); });
}

void PushTask::wake() {
  if (woken_.exchange(true)) return;
  loop_.post([self = shared_from_this()] {
    self->woken_ = false;
    self->step();
  });
}

void PushTask::resume() {
  loop_.post([self = shared_from_this()] {
    self->paused_ = false;
    self->step();
  });
}

void PushTask::end(Result<void> how) {
  if (std::exchange(ended_, true)) return;
  watch_.reset();
  sink_.end(std::move(how));
  sink_ = {};
}

void PushTask::step() {
  if (ended_ || paused_) return;
  if (spec_.plan->limit && *spec_.plan->limit <= delivered_) return end({});
  pipeline_->clear();
  auto& chunk = pipeline_->input();
  auto visit = [&](const record::RecordView& record, const record::RowOrigin& origin) {
    (void)pipeline_->decoder().decode(record, origin, chunk);  // bad rows are left out; the processing log is for queries that stay
    return true;
  };
  MergedInput::Limits limits{spec_.batch_rows_max, 1u << 20, log_.durable_jsn(), spec_.until_now ? &until_ : nullptr};
  auto records = input_.read(limits, chunk.arena, visit, [](auto&, auto&) {});
  if (!records) return end(records.error());
  if (*records == 0) {
    if (spec_.until_now) end({});
    return;
  }
  std::vector<BadRow> bad;
  auto ran = pipeline_->run(bad);
  if (!ran) return end(ran.error());
  if (pipeline_->state_bytes() > spec_.state_bytes_max)
    return end(fail(Code::too_large, "the query needs more memory than flow.query_state_bytes_max", "group by something with fewer values"));
  if (deliver()) wake();
}

// False when the query has ended with it. A client that has enough for now stops the reading, not the query.
bool PushTask::deliver() {
  std::vector<ResultRow> rows;
  take_results(*pipeline_, rows);
  auto limit = spec_.plan->limit;
  if (limit && static_cast<std::int64_t>(rows.size()) > *limit - delivered_) rows.resize(static_cast<std::size_t>(*limit - delivered_));
  delivered_ += static_cast<std::int64_t>(rows.size());
  auto wanted = rows.empty() ? Wanted::more : sink_.rows(std::move(rows));
  if (wanted == Wanted::none) return (end({}), false);
  paused_ = wanted == Wanted::after_resume;
  if (limit && delivered_ >= *limit) return (end({}), false);
  return true;
}

}  // namespace tidemill::flow
