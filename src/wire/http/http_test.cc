#include <fmt/core.h>
#include <gtest/gtest.h>

#include "wire/http/request_parser.h"

namespace tidemill::http {
namespace {

std::vector<Request> parse_in_steps(std::string_view bytes, std::size_t step, RequestLimits limits = {}) {
  RequestParser parser(limits);
  std::vector<Request> all;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    parser.feed(as_bytes(bytes.substr(at, step)));
    for (;;) {
      auto request = parser.next();
      EXPECT_TRUE(request) << request.error().text();
      if (!request || !*request) break;
      all.push_back(std::move(**request));
    }
  }
  EXPECT_TRUE(parser.between_requests());
  return all;
}

int refusal_of(std::string_view bytes, RequestLimits limits = {}) {
  RequestParser parser(limits);
  parser.feed(as_bytes(bytes));
  for (;;) {
    auto request = parser.next();
    if (!request) return parser.refusal_status();
    if (!*request) return 0;
  }
}

TEST(RequestParser, pipelined_requests_come_out_in_order_however_the_bytes_are_cut) {
  std::string bytes =
      "POST /a%2Fb/c%20d?x=1+2&y=%26&flag HTTP/1.1\r\nHost: h\r\ncontent-type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
      "GET /second HTTP/1.1\r\nHost: h\r\n\r\n"
      "PUT /chunked HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nWiki\r\n6;ext=1\r\npedia.\r\n0\r\nTrailer: t\r\n\r\n"
      "GET /last HTTP/1.0\r\n\r\n";
  for (std::size_t step : {1u, 2u, 3u, 7u, 50u, 1000u}) {
    auto all = parse_in_steps(bytes, step);
    ASSERT_EQ(all.size(), 4u) << step;
    EXPECT_EQ(all[0].method, "POST");
    EXPECT_EQ(all[0].raw_path, "/a%2Fb/c%20d");
    EXPECT_EQ(all[0].path, "/a/b/c d");
    EXPECT_EQ(all[0].query_value("x"), "1 2");
    EXPECT_EQ(all[0].query_value("y"), "&");
    EXPECT_TRUE(all[0].query.contains("flag"));
    EXPECT_EQ(all[0].headers.get("CONTENT-TYPE"), "text/plain");
    EXPECT_EQ(all[0].body.text(), "hello");
    EXPECT_TRUE(all[0].keep_alive);
    EXPECT_EQ(all[1].path, "/second");
    EXPECT_EQ(all[2].body.text(), "Wikipedia.");
    EXPECT_FALSE(all[3].keep_alive);
    EXPECT_FALSE(all[3].chunked_allowed);
  }
}

TEST(RequestParser, what_exceeds_a_limit_is_refused_before_it_has_arrived) {
  RequestLimits limits{.header_bytes_max = 200, .body_bytes_max = 10};
  EXPECT_EQ(refusal_of("POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n", limits), 413);
  EXPECT_EQ(refusal_of("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n0123456789", limits), 0);
  EXPECT_EQ(refusal_of("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n", limits), 413);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nX: " + std::string(300, 'x'), limits), 431);
}

TEST(RequestParser, ambiguous_or_broken_requests_are_refused) {
  EXPECT_EQ(refusal_of("\x16\x03\x01\x02 not http\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), 400);
  EXPECT_NE(refusal_of("GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 0) << "request smuggling";
  EXPECT_NE(refusal_of("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n"), 0) << "request smuggling";
  EXPECT_EQ(refusal_of("GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"), 501);
  EXPECT_EQ(refusal_of("GET /%zz HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET /%00 HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(refusal_of("GET nowhere HTTP/1.1\r\n\r\n"), 400);
}

TEST(RequestParser, a_client_that_waits_for_continue_is_noticed_once) {
  RequestParser parser({});
  parser.feed(as_bytes("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
  auto first = parser.next();
  ASSERT_TRUE(first && !*first);
  EXPECT_TRUE(parser.header_done());
  EXPECT_TRUE(parser.take_expect_continue());
  EXPECT_FALSE(parser.take_expect_continue());
}

TEST(ResponseHead, frames_the_body_as_asked) {
  Headers headers{{"Content-Type", "a/b"}};
  EXPECT_EQ(response_head(200, headers, Framing::length, 3, true),
            "HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(response_head(200, {}, Framing::chunked, 0, false), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(response_head(204, {}, Framing::length, 0, true), "HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(chunk_head(255), "ff\r\n");
}

TEST(Percent, encoding_comes_back) {
  EXPECT_EQ(percent_encoded("a/b c~"), "a%2Fb%20c~");
  EXPECT_EQ(percent_decoded(percent_encoded("ü&=+%"), false).value_or(""), "ü&=+%");
  EXPECT_FALSE(percent_decoded("%4", false));
}

}  // namespace
}  // namespace tidemill::http
