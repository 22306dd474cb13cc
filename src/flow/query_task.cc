#include "flow/query_task.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "flow/key_table.h"

namespace tidemill::flow {
namespace {

constexpr std::uint64_t unrecorded_rows_max = 65536;
constexpr std::size_t step_input_bytes = 1u << 20;

}  // namespace

Result<std::unique_ptr<QueryTask>> QueryTask::open(log::Log& log, world::Disk* disk, TaskSpec spec) {
  std::unique_ptr<QueryTask> task(new QueryTask(log, std::move(spec)));
  bool table_sink = task->spec_.plan->sink && task->spec_.plan->sink->kind == sql::SourceKind::table;
  TRY_ASSIGN(pipeline, Pipeline::make(task->spec_.plan, table_sink));
  task->pipeline_ = std::move(pipeline);
  task->spec_.batch_rows_max = task->pipeline_->rows_at_once(task->spec_.batch_rows_max);
  TRY_ASSIGN(output, OutputWriter::make(task->spec_, log.append_bytes_max()));
  task->output_ = std::move(output);
  if (disk && !task->spec_.snapshot_dir.empty()) task->snapshots_.emplace(*disk, task->spec_.snapshot_dir, task->fingerprint());
  TRY(task->recover());
  return task;
}

// A snapshot fits only the plan it was made with.
std::uint64_t QueryTask::fingerprint() const {
  auto& plan = *spec_.plan;
  std::string text = spec_.id + "\n" + (plan.sink ? plan.sink->statement : "") + "\n" + plan.source.topic;
  for (auto& column : plan.source.columns) text += "\n" + column.name + " " + column.type.text();
  for (auto& expr : plan.group_by) text += "\ng " + expr->type.text();
  for (auto& aggregate : plan.aggregates) text += "\na " + std::to_string(static_cast<int>(aggregate.kind)) + aggregate.type.text();
  for (auto& output : plan.outputs) text += "\no " + output.name + " " + output.type.text();
  return hash_bytes(text);
}

Positions QueryTask::starting_positions() const {
  Positions out;
  for (auto stream : spec_.inputs) {
    auto bounds = log_.bounds(stream);
    out.inputs.push_back({stream, spec_.from_earliest ? bounds.start : bounds.end});
    out.began.push_back(out.inputs.back().next);
  }
  return out;
}

Result<void> QueryTask::recover() {
  TRY_ASSIGN(kept, load_positions(log_, spec_.positions));
  if (!kept) {
    first_start_ = true;
    at_ = starting_positions();
    input_.seek(at_.inputs);
    return {};
  }
  auto add_new_partitions = [&](Positions& p) {
    while (p.inputs.size() < spec_.inputs.size()) p.inputs.push_back({spec_.inputs[p.inputs.size()], Offset(0)});
    p.began.resize(p.inputs.size());
  };
  add_new_partitions(kept->first);
  add_new_partitions(kept->last);
  if (snapshots_) {
    auto restore = [&](ByteReader& state) {
      if (pipeline_->read_state(state)) return true;
      auto fresh = Pipeline::make(spec_.plan, spec_.plan->sink->kind == sql::SourceKind::table);  // half read is not fresh
      if (fresh) pipeline_ = std::move(*fresh);
      return false;
    };
    if (auto from = snapshots_->load(restore)) {
      add_new_partitions(*from);
      begin_at(*from, kept->last);
      return {};
    }
  }
  begin_at(kept->first, kept->last);
  return {};
}

// Goes on from `from`, replaying up to `until` when that is further on.
void QueryTask::begin_at(const Positions& from, const Positions& until) {
  at_ = from;
  at_.began = until.began;
  until_ = until.inputs;
  bool ahead = false;
  for (std::size_t i = 0; i < from.inputs.size(); ++i) {
    if (until.inputs[i].next > from.inputs[i].next) replaying_ = true;
    if (until.inputs[i].next < from.inputs[i].next) ahead = true;
  }
  if (!ahead) at_.outputs_ahead = until.outputs_ahead;  // else everything recorded is behind the snapshot
  input_.seek(at_.inputs);
}

Result<std::size_t> QueryTask::read_input(Jsn horizon) {
  pipeline_->clear();
  bad_.clear();
  auto& chunk = pipeline_->input();
  bool grouped = spec_.plan->grouped;
  auto visit = [&](const record::RecordView& record, const record::RowOrigin& origin) {
    using What = ProcessingError::What;
    auto& decoder = pipeline_->decoder();
    auto before = decoder.changes_without_before();
    if (!decoder.decode(record, origin, chunk)) {
      bad_.push_back({origin, decoder.error().message, What::deserialization, decoder.error().in_key});
    } else if (grouped && decoder.changes_without_before() != before) {
      bad_.push_back({origin, "a change without the row before it: what that row counted for stays counted (REPLICA IDENTITY FULL sends it)", What::processing, false});
    }
    return true;
  };
  auto unreadable = [&](const record::RowOrigin& origin, const Error& error) { bad_.push_back({origin, error.message, ProcessingError::What::deserialization, false}); };
  MergedInput::Limits limits{spec_.batch_rows_max, step_input_bytes, horizon, replaying_ ? &until_ : nullptr};
  return input_.read(limits, chunk.arena, visit, unreadable);
}

// In the order of the rows, so that the log is the same however the input was cut.
void QueryTask::write_bad_rows() {
  std::vector<std::size_t> order(bad_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    auto place = [&](std::size_t i) { return std::tuple(bad_[i].origin.jsn, bad_[i].origin.index, bad_[i].origin.offset, i); };
    return place(a) < place(b);
  });
  for (auto i : order) {
    auto& row = bad_[i];
    counts_.rows_bad += row.what != ProcessingError::What::processing;
    write_processing_error({row.what, spec_.id, spec_.plan->source.topic, row.in_key, row.message, row.origin}, error_json_);
    output_->add_processing_error(error_json_, row.origin.timestamp_ms);
  }
}

Result<QueryTask::Step> QueryTask::step() {
  TRY_ASSIGN(step, advance());
  give_up_old_positions(step.appends);
  return step;
}

// Only the newest positions count, so now and then the append that records some gives up all but a few.
void QueryTask::give_up_old_positions(std::vector<log::Append>& appends) {
  positions_written_ += appends.size();
  if (appends.empty() || positions_written_ < spec_.positions_trim_every) return;
  positions_written_ = 0;
  auto bounds = log_.bounds(spec_.positions);
  if (auto kept_from = bounds.end - spec_.positions_kept; kept_from > bounds.start)
    appends.back().marks.push_back({log::Mark::Kind::trim, spec_.positions, kept_from});
}

Result<QueryTask::Step> QueryTask::advance() {
  Step step;
  if (std::exchange(first_start_, false)) {  // where we begin is decided once and for all
    step.moved = true;
    step.appends.push_back(record_positions());
    return step;
  }
  auto horizon = log_.durable_jsn();
  auto before = at_;
  if (!replaying_) output_->begin(before);
  TRY_ASSIGN(records, read_input(horizon));
  at_.inputs = input_.positions();
  at_.horizon = horizon;
  bool was_replaying = replaying_;
  if (replaying_) {
    replaying_ = false;
    for (std::size_t i = 0; i < at_.inputs.size(); ++i) replaying_ |= at_.inputs[i].next < until_[i].next;
    if (replaying_ && records == 0) return fail(Code::corrupt, "input of query " + spec_.id + " ends before its recorded positions");
  }
  if (records == 0 && !was_replaying) return step;
  step.moved = true;
  unsaved_rows_ += records;
  auto ran = pipeline_->run(bad_);
  if (!ran) return ran.error();
  if (auto bytes = pipeline_->state_bytes(); bytes > spec_.state_bytes_max)  // nothing of this step is out: a larger limit goes on from here
    return fail(Code::too_large, "the state of query " + spec_.id + " takes " + std::to_string(bytes) + " bytes",
                "raise flow.query_state_bytes_max and restart, or group by something with fewer values");
  if (was_replaying) return step;
  counts_.rows_in += records;
  for (auto& result : pipeline_->results())
    if (auto* why = output_->add(result, *pipeline_))
      bad_.push_back({pipeline_->origin(result), why, ProcessingError::What::production, false});
  write_bad_rows();
  step.appends = output_->finish(at_);
  unrecorded_rows_ = step.appends.empty() ? unrecorded_rows_ + records : 0;
  if (unrecorded_rows_ >= unrecorded_rows_max) step.appends.push_back(record_positions());
  return step;
}

log::Append QueryTask::record_positions() {
  unrecorded_rows_ = 0;
  return output_->only_positions(at_);
}

Result<void> QueryTask::snapshot() {
  if (!snapshots_ || replaying_ || !snapshot_due()) return {};
  ByteWriter state;
  pipeline_->write_state(state);
  TRY(snapshots_->save(at_, state.view()));
  unsaved_rows_ = 0;
  return {};
}

TaskCounts QueryTask::counts() const {
  auto out = counts_;
  out.rows_out = output_->records_out();
  out.rows_lost = input_.lost();
  return out;
}

}  // namespace tidemill::flow
