#include "flow/key_table.h"

#include <cstring>

namespace tidemill::flow {
namespace {

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t load(const char* p, std::size_t bytes) {
  std::uint64_t v = 0;
  std::memcpy(&v, p, bytes);
  return v;
}

constexpr std::uint64_t k0 = 0x9E3779B97F4A7C15ull, k1 = 0xD6E8FEB86659FD93ull;

}  // namespace

// Multiply and fold, eight bytes at a time. Good enough for our own tables; nobody outside sees it.
std::uint64_t hash_bytes(std::string_view bytes) {
  auto* p = bytes.data();
  auto left = bytes.size();
  std::uint64_t h = k0 ^ left;
  for (; left >= 8; p += 8, left -= 8) h = mix(h ^ load(p, 8), k1);
  if (left) h = mix(h ^ load(p, left), k1);
  return mix(h, k0);
}

std::size_t KeyTable::probe(std::string_view key, std::uint32_t hash) const {
  auto mask = slots_.size() - 1;
  for (auto at = hash & mask;; at = (at + 1) & mask) {
    auto& slot = slots_[at];
    if (slot.number == none || (slot.hash == hash && keys_[slot.number] == key)) return at;
  }
}

std::uint32_t KeyTable::find(std::string_view key) const {
  if (slots_.empty()) return none;
  return slots_[probe(key, hash_of(key))].number;
}

KeyTable::Placed KeyTable::place(std::string_view key, std::uint32_t hash) {
  if ((size_ + 1) * 4 > slots_.size() * 3) grow();
  auto& slot = slots_[probe(key, hash)];
  if (slot.number != none) return {slot.number, false};
  std::uint32_t number = end();
  if (free_.empty()) {
    keys_.emplace_back(key);
    live_.push_back(true);
  } else {
    number = free_.back();
    free_.pop_back();
    keys_[number] = key;
    live_[number] = true;
  }
  slot = {hash, number};
  ++size_;
  key_bytes_ += key.size();
  return {number, true};
}

bool KeyTable::erase(std::string_view key) {
  if (slots_.empty()) return false;
  auto mask = slots_.size() - 1;
  auto at = probe(key, hash_of(key));
  auto number = slots_[at].number;
  if (number == none) return false;
  key_bytes_ -= keys_[number].size();
  keys_[number].clear();
  live_[number] = false;
  free_.push_back(number);
  --size_;
  for (auto next = (at + 1) & mask; slots_[next].number != none; next = (next + 1) & mask) {  // close the gap
    auto home = slots_[next].hash & mask;
    if (((next - home) & mask) < ((next - at) & mask)) continue;
    slots_[at] = slots_[next];
    at = next;
  }
  slots_[at] = {};
  return true;
}

void KeyTable::grow() {
  std::vector<Slot> old(slots_.empty() ? 64 : slots_.size() * 2);
  old.swap(slots_);
  auto mask = slots_.size() - 1;
  for (auto& slot : old) {
    if (slot.number == none) continue;
    auto at = slot.hash & mask;
    while (slots_[at].number != none) at = (at + 1) & mask;
    slots_[at] = slot;
  }
}

std::size_t KeyTable::bytes() const {
  return slots_.size() * sizeof(Slot) + keys_.size() * sizeof(std::string) + key_bytes_;
}

void KeyTable::clear() { *this = KeyTable(); }

}  // namespace tidemill::flow
