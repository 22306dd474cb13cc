#include "log/key_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>

namespace tidemill::log {
namespace {

TEST(KeyHash, is_siphash_with_128_bits) {
  // The first test vectors of the reference: key 00..0f, messages of 0, 1 and 15 bytes 00 01 02 ...
  KeySecret secret{0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull};
  std::string message;
  for (char c = 0; c < 15; ++c) message.push_back(c);
  EXPECT_EQ(hash_of_key("", secret), (KeyHash{0xe6a825ba047f81a3ull, 0x930255c71472f66dull}));
  EXPECT_EQ(hash_of_key(std::string_view(message).substr(0, 1), secret), (KeyHash{0x44af996bd8c187daull, 0x45fc229b11597634ull}));
  EXPECT_NE(hash_of_key(message, secret), hash_of_key(message.substr(0, 14), secret));
  EXPECT_NE(hash_of_key("a", {1, 2}), hash_of_key("a", {1, 3}));
}

// However little fits at once: over all passes every record is told of that has a newer one with its key.
TEST(KeyTable, all_keys_have_their_turn) {
  for (std::size_t keys_max : {1u, 7u, 100u, 100'000u}) {
    std::mt19937_64 random(keys_max);
    std::vector<std::string> keys;
    for (int i = 0; i < 3000; ++i) keys.push_back("key " + std::to_string(random() % 700));
    std::map<std::string, std::uint64_t> last;
    std::set<std::uint64_t> expected, found;
    for (std::uint64_t i = 0; i < keys.size(); ++i) {
      if (last.contains(keys[i])) expected.insert(last[keys[i]]);
      last[keys[i]] = i;
    }
    KeyTable table(keys_max);
    std::size_t passes = 0;
    for (; table.next_pass(); ++passes)
      for (std::uint64_t i = 0; i < keys.size(); ++i) {
        auto hash = hash_of_key(keys[i], {1, 2});
        if (!table.wants(hash)) continue;
        if (auto before = table.put(hash, i)) found.insert(*before);
        EXPECT_LE(table.size(), keys_max);
      }
    EXPECT_EQ(found, expected);
    EXPECT_EQ(passes > 1, keys_max < 700);
    EXPECT_LE(passes, 8 * 700 / keys_max + 1);
  }
}

}  // namespace
}  // namespace tidemill::log
