#include "flow/output.h"

#include "flow/query_task.h"

namespace tidemill::flow {
namespace {

constexpr std::size_t append_overhead = 4096;  // headers of two batches, counts, lengths

}  // namespace

Result<OutputWriter> OutputWriter::make(const TaskSpec& spec, std::size_t append_bytes_max) {
  OutputWriter out;
  auto& plan = *spec.plan;
  out.tenant_ = spec.tenant;
  out.sinks_ = spec.sinks;
  out.positions_stream_ = spec.positions;
  out.processing_log_ = spec.processing_log;
  out.windowed_ = plan.window.has_value() || plan.source.window.has_value();
  out.cut_bytes_ = append_bytes_max / 2;
  auto beside = append_overhead + spec.inputs.size() * 16;
  if (append_bytes_max <= 2 * beside) return fail(Code::too_large, "query " + spec.id + " reads more partitions than one append can hold the positions of");
  out.row_bytes_max_ = append_bytes_max - beside;
  out.builders_.resize(spec.sinks.size());
  if (!plan.sink || spec.sinks.empty()) return fail(Code::invalid, "query " + spec.id + " has no sink");
  std::vector<sql::Column> columns;
  for (std::size_t i = 0; i < plan.outputs.size(); ++i) {
    auto& output = plan.outputs[i];
    columns.push_back({output.name, output.type, output.role});
    if (plan.sink->timestamp_column == output.name) out.timestamp_output_ = static_cast<int>(i);
  }
  TRY_ASSIGN(encoder, RowEncoder::make(columns, *plan.sink));
  out.encoder_ = std::move(encoder);
  return out;
}

void OutputWriter::begin(Positions before) {
  left_out_ = before.outputs_ahead;
  before_ = std::move(before);
  emitted_ = 0;
  bytes_ = 0;
}

// A record without a key goes where its cause came from, so that a replay puts it there again.
std::size_t OutputWriter::partition_of(bool has_key, const record::RowOrigin& origin) const {
  if (sinks_.size() == 1) return 0;
  if (has_key) return partition_of_key(key_, sinks_.size());
  return static_cast<std::size_t>(origin.partition) % sinks_.size();
}

std::int64_t OutputWriter::timestamp_of(const ResultOut& result, const Pipeline& pipeline) const {
  auto time = pipeline.origin(result).timestamp_ms;
  if (timestamp_output_ < 0 || result.tombstone) return time;
  auto& cell = pipeline.cells()[static_cast<std::size_t>(timestamp_output_)];
  if (cell.null(result.row) || cell.column->lane != record::Lane::whole) return time;
  return cell.column->whole[cell.at(result.row)];
}

const char* OutputWriter::add(const ResultOut& result, const Pipeline& pipeline) {
  ++emitted_;
  auto& origin = pipeline.origin(result);
  time_ms_ = origin.timestamp_ms;
  bool has_key = encoder_->key(pipeline.cells(), result.row, key_);
  auto partition = partition_of(has_key, origin);  // of the key without its window, as Kafka Streams does
  if (has_key && windowed_) RowEncoder::add_window(result.window_start_ms, key_);
  bool has_value = !result.tombstone && encoder_->value(pipeline.cells(), result.row, value_);
  auto view = [](bool there, const std::string& text) { return there ? std::optional<std::string_view>(text) : std::nullopt; };
  auto headers = origin.headers.size() > 1 ? origin.headers : std::string_view();
  auto size = (has_key ? key_.size() : 0) + (has_value ? value_.size() : 0) + headers.size() + 24;
  auto time = timestamp_of(result, pipeline);
  if (size > row_bytes_max_) return "the row is too large for the log";
  if (time < 0) return "the row's timestamp is negative";
  if (left_out_ > 0) return (--left_out_, nullptr);
  if (!has_key && !has_value && result.tombstone && !result.passed_on) return nullptr;  // a row that went away, of which nothing says which
  if (bytes_ + size > row_bytes_max_) cut(emitted_ - 1);
  builders_[partition].add_encoded(time, view(has_key, key_), view(has_value, value_), headers);
  ++records_out_;
  bytes_ += size;
  if (bytes_ >= cut_bytes_) cut(emitted_);
  return nullptr;
}

void OutputWriter::add_processing_error(std::string_view json, std::int64_t timestamp_ms) {
  if (!processing_log_ || log_builder_.body_bytes() > cut_bytes_ / 2) return;  // counted by the caller all the same
  log_builder_.add(std::max<std::int64_t>(timestamp_ms, 0), std::nullopt, json);
}

bool OutputWriter::take_batches(std::vector<log::Entry>& entries) {
  for (std::size_t i = 0; i < builders_.size(); ++i)
    if (builders_[i].count() > 0) entries.push_back({tenant_, sinks_[i], builders_[i].finish()});
  return !entries.empty();
}

void OutputWriter::cut(std::uint64_t emitted) {
  log::Append part;
  take_batches(part.entries);
  auto positions = before_;
  positions.outputs_ahead = emitted;
  part.entries.push_back({tenant_, positions_stream_, positions_batch(positions, time_ms_)});
  parts_.push_back(std::move(part));
  bytes_ = 0;
}

std::vector<log::Append> OutputWriter::finish(Positions& after) {
  after.outputs_ahead = left_out_;
  log::Append last;
  take_batches(last.entries);
  if (log_builder_.count() > 0) last.entries.push_back({tenant_, *processing_log_, log_builder_.finish()});
  if (!last.entries.empty() || !parts_.empty()) {
    last.entries.push_back({tenant_, positions_stream_, positions_batch(after, time_ms_)});
    parts_.push_back(std::move(last));
  }
  return std::exchange(parts_, {});
}

log::Append OutputWriter::only_positions(const Positions& positions) const {
  log::Append out;
  out.entries.push_back({tenant_, positions_stream_, positions_batch(positions, time_ms_)});
  out.purpose = log::Purpose::control;
  return out;
}

}  // namespace tidemill::flow
