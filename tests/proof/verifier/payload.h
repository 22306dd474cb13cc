// What a record of the verifier says about itself: whose it is, which one of its partition, and its own checksum.
//
// A record is a Stamp and a filler behind it. The checksum covers everything behind itself, so a record that is served with one wrong
// bit, at a wrong place, or from another run shows without asking anybody.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

namespace verifier {

struct Place {
  std::uint32_t topic = 0;
  std::uint32_t partition = 0;
  auto operator<=>(const Place&) const = default;
};

struct Stamp {
  std::uint32_t crc = 0;
  std::uint32_t filler_bytes = 0;
  Place place;
  std::uint64_t sequence = 0;  // in its partition, from 0
  std::uint64_t run = 0;
};
static_assert(sizeof(Stamp) == 32);

inline std::uint32_t checksum(const void* payload, std::size_t bytes) {
  auto skipped = sizeof(Stamp::crc);
  return static_cast<std::uint32_t>(::crc32(0, static_cast<const Bytef*>(payload) + skipped, static_cast<uInt>(bytes - skipped)));
}

// Splitmix64: small, and the same everywhere.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    auto z = (state_ += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t n) { return next() % n; }

 private:
  std::uint64_t state_;
};

struct Sizes {
  std::uint64_t usual_max = 1500;
  std::uint64_t large_max = 400'000;  // of one record in 256; 0: of none
};

// Half of the records compress well, the others not at all.
inline std::vector<char> make_payload(Stamp stamp, Sizes sizes) {
  Chance chance(stamp.run ^ stamp.sequence * 1'000'003 ^ (std::uint64_t{stamp.place.topic} << 48) ^ (std::uint64_t{stamp.place.partition} << 32));
  auto large = sizes.large_max > 0 && chance.below(256) == 0;
  stamp.filler_bytes = static_cast<std::uint32_t>(chance.below(large ? sizes.large_max : sizes.usual_max));
  std::vector<char> payload(sizeof(Stamp) + stamp.filler_bytes);
  auto* filler = payload.data() + sizeof(Stamp);
  if (chance.below(2) == 0) {
    constexpr std::string_view text = "water comes in, is held, turns wheels, goes out. ";
    for (std::size_t i = 0; i < stamp.filler_bytes; ++i) filler[i] = text[i % text.size()];
  } else {
    for (std::size_t i = 0; i < stamp.filler_bytes; i += 8) {
      auto word = chance.next();
      std::memcpy(filler + i, &word, std::min<std::size_t>(8, stamp.filler_bytes - i));
    }
  }
  std::memcpy(payload.data(), &stamp, sizeof stamp);
  stamp.crc = checksum(payload.data(), payload.size());
  std::memcpy(payload.data(), &stamp, sizeof stamp);
  return payload;
}

// Nothing when these bytes are not what make_payload() made.
inline std::optional<Stamp> read_payload(const void* payload, std::size_t bytes) {
  Stamp stamp;
  if (bytes < sizeof stamp) return {};
  std::memcpy(&stamp, payload, sizeof stamp);
  if (stamp.filler_bytes != bytes - sizeof stamp || stamp.crc != checksum(payload, bytes)) return {};
  return stamp;
}

}  // namespace verifier
