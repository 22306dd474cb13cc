// A hash table from key bytes to a small dense number, the place where an operator keeps its state for that key. Open addressing with
// linear probing; hashes are kept beside the numbers, so that a probe touches keys only when they are likely equal.
//
// Always true: numbers are below end(); a number stays with its key until erase(), then it is given to the next new key.
// Iterating numbers from 0 visits keys in an order that depends only on the calls made, never on memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tidemill::flow {

std::uint64_t hash_bytes(std::string_view bytes);

class KeyTable {
 public:
  static constexpr std::uint32_t none = ~0u;

  static std::uint32_t hash_of(std::string_view key) { return static_cast<std::uint32_t>(hash_bytes(key)); }
  std::uint32_t find(std::string_view key) const;
  struct Placed {
    std::uint32_t number;
    bool fresh;
  };
  Placed place(std::string_view key) { return place(key, hash_of(key)); }
  Placed place(std::string_view key, std::uint32_t hash);

  // For who places many keys in turn: asks for the memory that placing them will touch, so that it is there by then. The slot first;
  // some keys later its key, giving the number it probably has, or none.
  void expect(std::uint32_t hash) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[hash & (slots_.size() - 1)]);
  }
  std::uint32_t expect_key(std::uint32_t hash) const {
    if (slots_.empty()) return none;
    auto& slot = slots_[hash & (slots_.size() - 1)];
    if (slot.hash != hash || slot.number == none) return none;
    __builtin_prefetch(&keys_[slot.number]);
    return slot.number;
  }
  bool erase(std::string_view key);

  std::uint32_t end() const { return static_cast<std::uint32_t>(keys_.size()); }
  bool live(std::uint32_t number) const { return live_[number]; }
  std::string_view key(std::uint32_t number) const { return keys_[number]; }
  std::size_t size() const { return size_; }
  std::size_t bytes() const;
  void clear();

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t number = none;
  };
  std::size_t probe(std::string_view key, std::uint32_t hash) const;  // its slot, or the free one where it would go
  void grow();

  std::vector<Slot> slots_;
  std::vector<std::string> keys_;
  std::vector<bool> live_;
  std::vector<std::uint32_t> free_;
  std::size_t size_ = 0;
  std::size_t key_bytes_ = 0;
};

}  // namespace tidemill::flow
