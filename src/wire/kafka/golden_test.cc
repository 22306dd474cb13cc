// Every message in every version against tests/kafka/golden, whose bytes are written by another program from the same tables.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "wire/kafka/all_messages.h"
#include "wire/kafka/frame.h"

namespace tidemill::kafka {
namespace {

struct Golden {
  std::string name, body;
  std::int16_t key, version;
  bool request;
};

std::string from_hex(const std::string& hex) {
  std::string out;
  for (std::size_t i = 0; hex != "-" && i + 1 < hex.size(); i += 2) out.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return out;
}

std::string file_name(std::string_view api) {
  std::string out;
  for (char c : api) {
    if (std::isupper(c) && !out.empty()) out += '_';
    out += static_cast<char>(std::tolower(c));
  }
  return out;
}

std::vector<Golden> all_golden() {
  std::vector<Golden> all;
  for (const auto& api : apis) {
    std::ifstream file(std::string(TIDEMILL_SOURCE_DIR) + "/tests/kafka/golden/" + file_name(api.name) + ".txt");
    for (std::string line; std::getline(file, line);) {
      std::string side, fill, hex;
      std::int16_t version;
      std::istringstream words(line);
      if (line.starts_with('#') || !(words >> side >> version >> fill >> hex)) continue;
      all.push_back({fmt::format("{} {} v{} {}", api.name, side, version, fill), from_hex(hex), api.key, version, side == "request"});
    }
  }
  return all;
}

// The body decoded and encoded again; empty when decoding failed or left bytes over.
template <class Message>
std::optional<std::string> again(const std::string& body, std::int16_t version) {
  Decoder in(Slice::copy(body));
  auto message = Message::decode(in, version);
  if (!message || in.remaining() != 0) return std::nullopt;
  Encoder out;
  message->encode(out, version);
  return out.take_body();
}

std::optional<std::string> again(const Golden& golden, const std::string& body) {
  auto visit = [&]<class Message>() { return again<Message>(body, golden.version); };
  return golden.request ? with_request(golden.key, visit) : with_response(golden.key, visit);
}

TEST(Golden, every_version_of_every_message_has_its_bytes) {
  std::size_t expected = 0;
  for (const auto& api : apis) expected += static_cast<std::size_t>(api.highest - api.lowest + 1) * 4;
  EXPECT_EQ(all_golden().size(), expected);
}

TEST(Golden, decoding_and_encoding_gives_the_same_bytes) {
  for (const auto& golden : all_golden()) EXPECT_EQ(again(golden, golden.body), golden.body) << golden.name;
}

TEST(Golden, a_message_cut_anywhere_is_refused) {
  for (const auto& golden : all_golden())
    for (std::size_t size = 0; size < golden.body.size(); ++size)
      ASSERT_EQ(again(golden, golden.body.substr(0, size)), std::nullopt) << golden.name << " cut to " << size;
}

TEST(Golden, a_changed_byte_never_reads_past_the_frame) {
  for (const auto& golden : all_golden())
    for (std::size_t at = 0; at < golden.body.size(); ++at) {
      auto body = golden.body;
      body[at] = static_cast<char>(body[at] ^ 0xff);
      (void)again(golden, body);  // any answer will do; the sanitizers watch
    }
}

}  // namespace
}  // namespace tidemill::kafka
