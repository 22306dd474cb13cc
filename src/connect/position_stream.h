// A connector's positions stream as a restart reads it: the last record says how far the source is in the log.
//
// One batch larger than an append may be cannot lie in one append with its position. It is announced first: a record that names it by its
// checksum, with the position before and the position behind it. Whoever finds an announcement last looks whether the batch came.
// docs/formats/connector-position.md has the document.
#pragma once

#include <optional>
#include <string>

#include "log/log.h"

namespace tidemill::connect {

struct Announcement {
  StreamId stream;      // where the batch goes
  Offset from;          // it is there at or behind this offset, if it is
  std::uint32_t crc = 0;
  std::string before, after;  // positions
};
std::string announcement_text(const Announcement& announcement);

// The position up to which everything is in the log, and nothing behind it; nothing when the stream is empty.
Result<std::optional<std::string>> last_position_text(log::Log& log, StreamId positions);

}  // namespace tidemill::connect
