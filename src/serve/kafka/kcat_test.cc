// kcat (librdkafka 2.0.2) against the listener: what Debian's own client makes of it.
#include <cstdio>

#include "serve/kafka/test_server.h"

namespace tidemill::serve {
namespace {

struct Output {
  int status = -1;
  std::string text;
};

Output shell(const std::string& command) {
  Output output;
  auto* pipe = ::popen(("timeout 30 " + command + " 2>&1").c_str(), "r");
  char buffer[4096];
  while (auto n = std::fread(buffer, 1, sizeof buffer, pipe)) output.text.append(buffer, n);
  output.status = ::pclose(pipe);
  return output;
}

class Kcat : public testing::Test {
 protected:
  void SetUp() override {
    if (shell("kcat -V").status != 0) GTEST_SKIP() << "kcat is not installed";
  }
  Output kcat(const std::string& arguments, const std::string& input = {}) {
    auto kcat = "kcat -b " + server.server->address().text() + " " + arguments;
    return shell(input.empty() ? kcat : "sh -c \"printf '" + input + "' | " + kcat + "\"");
  }
  std::string read_all(const std::string& topic) { return kcat("-C -e -q -o beginning -t " + topic).text; }

  TestServer server;
};

TEST_F(Kcat, lists_topics_and_partitions) {
  server.create_topic("orders", 3);
  auto listed = kcat("-L");
  EXPECT_EQ(listed.status, 0) << listed.text;
  EXPECT_NE(listed.text.find("topic \"orders\" with 3 partitions"), std::string::npos) << listed.text;
  EXPECT_NE(listed.text.find("broker 1 at " + server.server->address().text()), std::string::npos) << listed.text;
}

class KcatCodec : public Kcat, public testing::WithParamInterface<const char*> {};

TEST_P(KcatCodec, what_is_produced_is_consumed_and_stored_compressed_as_asked) {
  server.create_topic("t");
  std::string lines, expected;
  for (int i = 0; i < 200; ++i) expected += "the same text over and over again " + std::to_string(i) + "\n";
  for (int i = 0; i < 200; ++i) lines += "the same text over and over again " + std::to_string(i) + "\\n";
  auto produced = kcat("-P -t t -z " + std::string(GetParam()), lines);
  EXPECT_EQ(produced.status, 0) << produced.text;
  EXPECT_EQ(produced.text, "");
  EXPECT_EQ(read_all("t"), expected);
  auto topic = server.catalog->find_topic(default_tenant, "t");
  auto stored = server.log.read(topic->stream(0), Offset(0), 1 << 20);
  ASSERT_TRUE(stored);
  ASSERT_FALSE(stored->empty());
  // librdkafka sends a batch as it is when compressing would not make it smaller: the fullest one counts.
  auto count = [](const log::StoredBatch& batch) { return record::read_header(batch.bytes.bytes())->records_count; };
  auto fullest = std::ranges::max_element(*stored, {}, count);
  std::map<std::string, Codec> codecs = {{"none", Codec::none}, {"gzip", Codec::gzip}, {"snappy", Codec::snappy}, {"lz4", Codec::lz4}, {"zstd", Codec::zstd}};
  EXPECT_EQ(record::read_header(fullest->bytes.bytes())->codec(), codecs.at(GetParam()));
}
INSTANTIATE_TEST_SUITE_P(Codecs, KcatCodec, testing::Values("none", "gzip", "snappy", "lz4", "zstd"));

TEST_F(Kcat, a_topic_is_made_on_first_use) {
  auto produced = kcat("-P -t fresh", "hello\\n");
  EXPECT_EQ(produced.status, 0) << produced.text;
  EXPECT_EQ(read_all("fresh"), "hello\n");
}

TEST_F(Kcat, keys_headers_and_tombstones_come_back) {
  server.create_topic("t");
  EXPECT_EQ(kcat("-P -t t -K: -Z -H a=1", "k1:v1\\nk2:\\n").status, 0);
  EXPECT_EQ(kcat("-C -e -q -o beginning -t t -Z -f '%k=%s %h|'").text, "k1=v1 a=1|k2=NULL a=1|");
}

TEST_F(Kcat, finds_offsets_by_end_start_and_time) {
  server.create_topic("t");
  EXPECT_EQ(kcat("-P -t t", "a\\nb\\nc\\n").status, 0);
  EXPECT_NE(kcat("-Q -t t:0:-1").text.find("t [0] offset 3"), std::string::npos);
  EXPECT_NE(kcat("-Q -t t:0:-2").text.find("t [0] offset 0"), std::string::npos);
  EXPECT_NE(kcat("-Q -t t:0:1000").text.find("t [0] offset 0"), std::string::npos);
  EXPECT_NE(kcat("-Q -t t:0:99999999999999").text.find("t [0] offset -1"), std::string::npos);
}

TEST_F(Kcat, an_idempotent_producer_gets_its_id_and_writes_in_order) {
  server.create_topic("t");
  EXPECT_EQ(kcat("-P -t t -X enable.idempotence=true", "1\\n2\\n3\\n").status, 0);
  EXPECT_EQ(read_all("t"), "1\n2\n3\n");
  auto topic = server.catalog->find_topic(default_tenant, "t");
  EXPECT_GE(record::read_header(server.log.read(topic->stream(0), Offset(0), 1)->at(0).bytes.bytes())->producer_id, 0);
}

TEST_F(Kcat, acks_0_and_1_are_served) {
  server.create_topic("t");
  EXPECT_EQ(kcat("-P -t t -X acks=1", "one\\n").status, 0);
  EXPECT_EQ(kcat("-P -t t -X acks=0", "none\\n").status, 0);
  EXPECT_EQ(kcat("-C -c 2 -q -o beginning -t t").text, "one\nnone\n");
}

TEST_F(Kcat, a_consumer_at_the_end_is_woken_by_a_producer) {
  server.create_topic("t");
  auto waiting = std::async(std::launch::async, [&] { return kcat("-C -c 1 -q -o beginning -t t -X fetch.wait.max.ms=20000"); });
  EXPECT_EQ(kcat("-P -t t", "ping\\n").status, 0);
  EXPECT_EQ(waiting.get().text, "ping\n");
}

}  // namespace
}  // namespace tidemill::serve
