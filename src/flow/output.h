// What one step writes: batches for the sink's partitions, the processing log, and positions, as appends that are each whole. A step whose
// output is too large for one append is cut; the positions of a cut say how many records of the step are already out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "flow/encode.h"
#include "flow/pipeline.h"
#include "flow/positions.h"
#include "log/log.h"
#include "record/batch.h"

namespace tidemill::flow {

struct TaskSpec;

class OutputWriter {
 public:
  static Result<OutputWriter> make(const TaskSpec& spec, std::size_t append_bytes_max);

  // `before`: where the step began; its outputs_ahead records are already in the log and are left out.
  void begin(Positions before);
  // Null, or why the row cannot be written: it is left out.
  const char* add(const ResultOut& result, const Pipeline& pipeline);
  void add_processing_error(std::string_view json, std::int64_t timestamp_ms);
  // The appends of the step, the last with `after`. Empty when there was nothing to write. Sets after.outputs_ahead.
  std::vector<log::Append> finish(Positions& after);

  log::Append only_positions(const Positions& positions) const;
  std::uint64_t records_out() const { return records_out_; }

 private:
  std::size_t partition_of(bool has_key, const record::RowOrigin& origin) const;
  std::int64_t timestamp_of(const ResultOut& result, const Pipeline& pipeline) const;  // negative: invalid
  bool take_batches(std::vector<log::Entry>& entries);
  void cut(std::uint64_t emitted);

  TenantId tenant_;
  std::vector<StreamId> sinks_;
  StreamId positions_stream_;
  std::optional<StreamId> processing_log_;
  std::optional<RowEncoder> encoder_;
  bool windowed_ = false;
  int timestamp_output_ = -1;
  std::size_t cut_bytes_ = 0, row_bytes_max_ = 0;

  std::vector<record::BatchBuilder> builders_;
  record::BatchBuilder log_builder_;
  std::vector<log::Append> parts_;
  Positions before_;
  std::uint64_t emitted_ = 0;  // of this step, the ones left out included
  std::uint64_t left_out_ = 0; // still to leave out
  std::uint64_t records_out_ = 0;
  std::size_t bytes_ = 0;
  std::int64_t time_ms_ = 0;
  std::string key_, value_;
};

}  // namespace tidemill::flow
