// Pieces: an answer cut up for writing. What has gone can be given back, a client that reads slowly is seen to read, and between two
// pieces others get their turn.
#pragma once

#include <algorithm>
#include <vector>

#include "bytes/slice.h"

namespace tidemill::serve {

inline std::size_t bytes_of(std::span<const Slice> parts) {
  std::size_t bytes = 0;
  for (auto& part : parts) bytes += part.size();
  return bytes;
}

class Pieces {
 public:
  static constexpr std::size_t piece_bytes = 256 * 1024;
  explicit Pieces(std::vector<Slice> parts) : parts_(std::move(parts)) {}

  bool done() const { return at_ == parts_.size(); }
  // Up to piece_bytes; their memory is the caller's from now on.
  std::vector<Slice> next() {
    std::vector<Slice> piece;
    for (std::size_t room = piece_bytes; !done() && room > 0;) {
      auto& part = parts_[at_];
      auto count = std::min(room, part.size());
      piece.push_back(part.part(0, count));
      room -= count;
      part = part.from(count);
      if (part.empty()) parts_[at_++] = Slice();
    }
    return piece;
  }

 private:
  std::vector<Slice> parts_;
  std::size_t at_ = 0;
};

}  // namespace tidemill::serve
