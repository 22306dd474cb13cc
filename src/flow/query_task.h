// One running query, without a thread of its own: step() reads what is there, runs one micro-batch and says what is to be appended.
// Whoever drives it (a shard, a test) appends that before the next step's, in order, and calls step() again.
//
// Exactly once: each append holds the output, the processing log and the input positions it accounts for. A task opened again finds
// the last positions, rebuilds its state by replaying the input from a snapshot (or from the beginning) with output suppressed up to
// them, and goes on. Output is a pure function of the input in its order, never of how it was cut into steps.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flow/input.h"
#include "flow/output.h"
#include "flow/pipeline.h"
#include "flow/positions.h"
#include "flow/snapshot.h"
#include "log/log.h"
#include "world/disk.h"

namespace tidemill::flow {

struct TaskSpec {
  std::string id;
  TenantId tenant;
  std::shared_ptr<const sql::QueryPlan> plan;
  std::vector<StreamId> inputs;  // by partition
  std::vector<StreamId> sinks;   // by partition
  StreamId positions;
  std::optional<StreamId> processing_log;
  bool from_earliest = true;
  std::string snapshot_dir;      // empty: no snapshots
  std::size_t batch_rows_max = 8192;
  std::size_t state_bytes_max = 4ull << 30;
  std::size_t positions_trim_every = 1024;  // records of the positions stream; more than
  std::int64_t positions_kept = 16;         // this many, which stay
};

struct TaskCounts {
  std::uint64_t rows_in = 0, rows_out = 0, rows_bad = 0, rows_lost = 0;
};

class QueryTask {
 public:
  // Reads the positions and the newest good snapshot. `disk` may be null when there is no snapshot_dir.
  static Result<std::unique_ptr<QueryTask>> open(log::Log& log, world::Disk* disk, TaskSpec spec);

  struct Step {
    bool moved = false;                // input was consumed; call again, there may be more
    std::vector<log::Append> appends;  // in order, each after the one before is durable
  };
  // An error is the query's end; it may be opened again later and tries from its last positions.
  Result<Step> step();

  // Positions alone, so that the next replay is short. To be appended like those of step().
  log::Append record_positions();
  // Writes the state down. Only when every append so far is durable.
  Result<void> snapshot();
  // Whether there is anything that the newest snapshot does not have.
  bool snapshot_due() const { return unsaved_rows_ > 0; }

  bool replaying() const { return replaying_; }
  Pipeline& pipeline() { return *pipeline_; }
  const TaskSpec& spec() const { return spec_; }
  TaskCounts counts() const;
  std::int64_t lag() const { return input_.lag(); }

 private:
  QueryTask(log::Log& log, TaskSpec spec) : log_(log), spec_(std::move(spec)), input_(log) {}
  Result<void> recover();
  Result<Step> advance();
  void give_up_old_positions(std::vector<log::Append>& appends);
  Positions starting_positions() const;
  void begin_at(const Positions& from, const Positions& until);
  Result<std::size_t> read_input(Jsn horizon);
  void write_bad_rows();
  std::uint64_t fingerprint() const;

  log::Log& log_;
  TaskSpec spec_;
  MergedInput input_;
  std::unique_ptr<Pipeline> pipeline_;
  std::optional<OutputWriter> output_;
  std::optional<Snapshots> snapshots_;
  Positions at_;                    // where the state is
  std::vector<Positions::Input> until_;  // replay ends here
  bool replaying_ = false;
  bool first_start_ = false;        // nothing has been recorded yet
  std::size_t positions_written_ = 0;  // since old ones were given up
  std::uint64_t unrecorded_rows_ = 0, unsaved_rows_ = 0;
  TaskCounts counts_;
  std::vector<BadRow> bad_;
  std::string error_json_;
};

}  // namespace tidemill::flow
