#include <gtest/gtest.h>

#include "wire/kafka/api_versions.h"
#include "wire/kafka/fetch.h"
#include "wire/kafka/frame.h"
#include "wire/kafka/metadata.h"
#include "wire/kafka/produce.h"

namespace tidemill::kafka {
namespace {

TEST(Frame, a_length_over_the_limit_is_refused_before_the_frame_is_read) {
  ByteWriter out;
  out.i32(INT32_MAX);
  auto length = frame_length(as_bytes(out.view()), 1 << 20);
  ASSERT_FALSE(length);
  EXPECT_EQ(length.error().code, Code::too_large);
}

TEST(Frame, a_negative_length_is_no_request) {
  ByteWriter out;
  out.i32(-5);
  EXPECT_EQ(frame_length(as_bytes(out.view()), 1 << 20).error().code, Code::invalid);
}

TEST(Frame, a_header_of_an_unknown_version_still_gives_its_correlation_id) {
  Encoder out;
  write_request_header(out, {api_versions_key, 0, 77, "me"});
  auto bytes = out.take_body();
  bytes[3] = 99;  // version
  Decoder in(Slice::own(std::move(bytes)));
  auto header = read_request_header(in);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->version, 99);
  EXPECT_EQ(header->correlation_id, 77);
}

TEST(Frame, the_header_of_an_api_versions_response_is_never_flexible) {
  Encoder flexible, plain;
  write_response_header(flexible, {metadata_key, 9, 1, {}});
  write_response_header(plain, {api_versions_key, 3, 1, {}});
  EXPECT_EQ(flexible.size(), 5u);
  EXPECT_EQ(plain.size(), 4u);
}

TEST(Decoder, a_count_of_two_billion_elements_is_refused_before_allocating) {
  ByteWriter out;
  out.i32(INT32_MAX);
  Decoder in(Slice::own(out.take()));
  EXPECT_FALSE(MetadataRequest::decode(in, 1));
}

TEST(Decoder, unknown_tagged_fields_are_skipped) {
  ByteWriter out;
  out.uvarint(5), out.text("kcat");
  out.uvarint(2), out.text("1");
  out.uvarint(1), out.uvarint(42), out.uvarint(3), out.text("???");
  Decoder in(Slice::own(out.take()));
  auto request = ApiVersionsRequest::decode(in, 3);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->client_software_name, "kcat");
  EXPECT_EQ(in.remaining(), 0u);
}

TEST(Decoder, records_share_the_memory_of_the_frame) {
  ProduceRequest request;
  request.acks = -1;
  auto& partition = request.topics.emplace_back().partitions.emplace_back();
  partition.records.emplace().add(Slice::copy(std::string(5000, 'r')));
  Encoder out;
  request.encode(out, 9);
  auto frame = Slice::own(out.take_body());
  Decoder in(frame);
  auto read = ProduceRequest::decode(in, 9);
  ASSERT_TRUE(read);
  auto records = read->topics.at(0).partitions.at(0).records->whole();
  EXPECT_EQ(records.size(), 5000u);
  EXPECT_GE(records.data(), frame.data());
  EXPECT_LE(records.data() + records.size(), frame.data() + frame.size());
}

TEST(Encoder, large_batches_leave_by_reference_with_their_prefix_replaced) {
  auto stored = Slice::copy(std::string(4000, 's'));
  FetchResponse response;
  response.topics.emplace_back().partitions.emplace_back().records.emplace().add_stored(stored, Offset(7), 3);
  Encoder out;
  response.encode(out, 11);
  auto size = out.size();
  auto parts = out.take_framed();
  bool by_reference = false;
  std::size_t sum = 0;
  for (const auto& part : parts) {
    sum += part.size();
    by_reference |= part.data() == stored.data() + 16;
  }
  EXPECT_TRUE(by_reference);
  EXPECT_EQ(sum, size + 4);
  EXPECT_EQ(ByteReader(parts[0].bytes()).i32(), static_cast<std::int32_t>(size));
}

TEST(Errors, names_and_retriability_are_known) {
  EXPECT_EQ(error_name(CORRUPT_MESSAGE), "CORRUPT_MESSAGE");
  EXPECT_TRUE(find_error(KAFKA_STORAGE_ERROR)->retriable);
  EXPECT_EQ(find_error(12345), nullptr);
}

}  // namespace
}  // namespace tidemill::kafka
