#include "flow/positions.h"

#include "base/check.h"
#include "record/batch.h"

namespace tidemill::flow {
namespace {

constexpr std::uint8_t version_without_began = 1, version = 2;

Result<Positions> read_at(const log::Log& log, StreamId stream, Offset offset) {
  TRY_ASSIGN(batches, log.read(stream, offset, 1));
  if (batches.empty()) return fail(Code::corrupt, "positions stream ends too early");
  TRY_ASSIGN(records, record::BatchRecords::open(batches[0].bytes, batches[0].base));
  record::RecordView record;
  for (;;) {
    TRY_ASSIGN(more, records.next(record));
    if (!more) return fail(Code::corrupt, "positions stream lacks its own record");
    if (record.offset == offset.value) break;
  }
  ByteReader in(record.value.value_or(std::string_view()));
  return read_positions(in);
}

}  // namespace

void write_positions(const Positions& positions, ByteWriter& out) {
  auto known = !positions.began.empty();
  out.u8(known ? version : version_without_began);
  out.u64(positions.horizon.value);
  out.u64(positions.outputs_ahead);
  out.u32(static_cast<std::uint32_t>(positions.inputs.size()));
  for (auto& input : positions.inputs) {
    out.u64(input.stream.value);
    out.i64(input.next.value);
  }
  if (!known) return;
  CHECK(positions.began.size() == positions.inputs.size(), "{} beginnings of {} inputs", positions.began.size(), positions.inputs.size());
  for (auto began : positions.began) out.i64(began.value);
}

Result<Positions> read_positions(ByteReader& in) {
  Positions out;
  auto found = in.u8();
  if (found != version && found != version_without_began) return fail(Code::unsupported, "positions of version " + std::to_string(found));
  out.horizon = Jsn(in.u64());
  out.outputs_ahead = in.u64();
  auto count = in.u32();
  if (count > in.remaining() / (found == version ? 24 : 16)) return fail(Code::corrupt, "positions are cut short");
  for (std::uint32_t i = 0; i < count; ++i) {
    auto stream = StreamId(in.u64());
    out.inputs.push_back({stream, Offset(in.i64())});
  }
  for (std::uint32_t i = 0; i < count && found == version; ++i) out.began.push_back(Offset(in.i64()));
  if (!in.ok()) return fail(Code::corrupt, "positions are cut short");
  return out;
}

Slice positions_batch(const Positions& positions, std::int64_t timestamp_ms) {
  ByteWriter out;
  write_positions(positions, out);
  record::BatchBuilder batch;
  batch.add(timestamp_ms, std::nullopt, out.view());
  return batch.finish();
}

Result<std::optional<KeptPositions>> load_positions(const log::Log& log, StreamId stream) {
  auto bounds = log.bounds(stream);
  if (bounds.end.value <= bounds.start.value) return std::optional<KeptPositions>();
  TRY_ASSIGN(last, read_at(log, stream, bounds.end - 1));
  Positions first;
  if (last.began.empty()) {  // as long as the stream has records without it, it has its first one
    TRY_ASSIGN(oldest, read_at(log, stream, bounds.start));
    first = std::move(oldest);
    for (auto& input : first.inputs) last.began.push_back(input.next);
    last.began.resize(last.inputs.size());  // a partition added later is read from its offset 0 on
  } else {
    for (std::size_t i = 0; i < last.inputs.size(); ++i) first.inputs.push_back({last.inputs[i].stream, last.began[i]});
  }
  first.began = last.began;
  return std::optional<KeptPositions>({std::move(first), std::move(last), bounds.end - 1});
}

}  // namespace tidemill::flow
