// KeyTable: for each key the number of the newest record that has it; in a bounded room. Keys are known by 128 bits of a keyed hash
// (SipHash-2-4): two of a billion keys meet with a chance of 1 in 10^20, and nobody who does not know the secret can make them meet.
//
// When it is full, half of the keys are left to a later pass (another part of the hash), so any number of keys fits, for the price
// of going over the records more often.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace tidemill::log {

struct KeyHash {
  std::uint64_t low = 0, high = 0;
  bool operator==(const KeyHash&) const = default;
};
using KeySecret = std::array<std::uint64_t, 2>;
KeyHash hash_of_key(std::string_view key, const KeySecret& secret);

class KeyTable {
 public:
  explicit KeyTable(std::size_t keys_max) : keys_max_(keys_max) {}

  // Begins a pass; false when every part of the keys had one.
  bool next_pass();
  // Whether this pass is about the key.
  bool wants(const KeyHash& key) const { return (key.high & part_.mask) == part_.value; }
  // Remembers the newest record of a key, and tells the one before it. Only for keys that the pass wants; it may want fewer afterwards.
  std::optional<std::uint64_t> put(const KeyHash& key, std::uint64_t record);
  std::size_t size() const { return used_; }

 private:
  struct Part {
    std::uint64_t mask = 0, value = 0;
  };
  struct Slot {
    KeyHash key;
    std::uint64_t record = 0;  // 0: free, otherwise + 1
  };
  std::size_t place(const KeyHash& key) const;
  void refill(std::size_t slots);
  void split();

  std::size_t keys_max_;
  std::vector<Slot> slots_;
  std::size_t used_ = 0;
  Part part_;
  std::vector<Part> later_{Part{}};
};

}  // namespace tidemill::log
