// How far a query has come: the next offset of each input stream, as the record in its positions stream has it (docs/formats/query-positions.md).
// The record is part of the same append as the output it accounts for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "bytes/cursor.h"
#include "log/log.h"

namespace tidemill::flow {

struct Positions {
  struct Input {
    StreamId stream;
    Offset next;
    friend bool operator==(const Input&, const Input&) = default;
  };
  std::vector<Input> inputs;  // by partition
  Jsn horizon;                // the input was read up to here
  // Output records already written for input past `inputs`: a step's output that was too large for one append.
  std::uint64_t outputs_ahead = 0;
  // By input: where the query began, from where a replay without a snapshot starts. Empty in what version 1 wrote.
  std::vector<Offset> began;

  friend bool operator==(const Positions&, const Positions&) = default;
};

void write_positions(const Positions& positions, ByteWriter& out);
Result<Positions> read_positions(ByteReader& in);

Slice positions_batch(const Positions& positions, std::int64_t timestamp_ms);

// Where the query began and the last record of its positions stream, whose `began` is always known; nothing when the query has never run.
struct KeptPositions {
  Positions first, last;
  Offset last_offset;
};
Result<std::optional<KeptPositions>> load_positions(const log::Log& log, StreamId stream);

}  // namespace tidemill::flow
