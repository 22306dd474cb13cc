#include "log/key_table.h"

#include <bit>
#include <cstring>

namespace tidemill::log {
namespace {

// SipHash by J.-P. Aumasson and D. J. Bernstein, with 128 bits of output.
struct SipState {
  std::uint64_t v0, v1, v2, v3;
  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void rounds(int count) {
    while (count-- > 0) round();
  }
  void take(std::uint64_t word) {
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  }
  std::uint64_t out() {
    rounds(4);
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

constexpr std::size_t slots_at_first = 1024;

}  // namespace

KeyHash hash_of_key(std::string_view key, const KeySecret& secret) {
  SipState state{0x736f6d6570736575ull ^ secret[0], 0x646f72616e646f6dull ^ secret[1] ^ 0xee, 0x6c7967656e657261ull ^ secret[0], 0x7465646279746573ull ^ secret[1]};
  auto whole = key.size() / 8 * 8;
  std::uint64_t word = 0;
  for (std::size_t at = 0; at < whole; at += 8) {
    std::memcpy(&word, key.data() + at, 8);
    state.take(word);
  }
  word = std::uint64_t{key.size()} << 56;
  for (std::size_t i = 0; i < key.size() - whole; ++i) word |= std::uint64_t{static_cast<unsigned char>(key[whole + i])} << (8 * i);
  state.take(word);
  KeyHash hash;
  state.v2 ^= 0xee;
  hash.low = state.out();
  state.v1 ^= 0xdd;
  hash.high = state.out();
  return hash;
}

std::size_t KeyTable::place(const KeyHash& key) const {
  auto mask = slots_.size() - 1;
  auto at = key.low & mask;
  while (slots_[at].record != 0 && slots_[at].key != key) at = (at + 1) & mask;
  return at;
}

bool KeyTable::next_pass() {
  if (later_.empty()) return false;
  part_ = later_.back();
  later_.pop_back();
  slots_.clear();
  used_ = 0;
  return true;
}

// Into so many slots, without the keys that this pass is not about any more.
void KeyTable::refill(std::size_t slots) {
  auto old = std::move(slots_);
  slots_.assign(slots, Slot{});
  used_ = 0;
  for (auto& slot : old) {
    if (slot.record == 0 || !wants(slot.key)) continue;
    slots_[place(slot.key)] = slot;
    ++used_;
  }
}

void KeyTable::split() {
  auto bit = part_.mask + 1;
  later_.push_back({part_.mask | bit, part_.value | bit});
  part_.mask |= bit;
  refill(slots_.size());
}

std::optional<std::uint64_t> KeyTable::put(const KeyHash& key, std::uint64_t record) {
  if (slots_.empty()) slots_.assign(slots_at_first, Slot{});
  auto* slot = &slots_[place(key)];
  if (slot->record != 0) {
    auto before = slot->record - 1;
    slot->record = record + 1;
    return before;
  }
  while (used_ >= keys_max_ && wants(key)) split();
  if (!wants(key)) return std::nullopt;
  if ((used_ + 1) * 2 > slots_.size()) refill(slots_.size() * 2);
  slots_[place(key)] = {key, record + 1};
  ++used_;
  return std::nullopt;
}

}  // namespace tidemill::log
