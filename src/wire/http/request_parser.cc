// The only file that knows Beast. Beast finds the parts of a message; what they mean is decided here.
#include "wire/http/request_parser.h"

#include <fmt/core.h>

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "base/check.h"

namespace tidemill::http {
namespace {

namespace beast = boost::beast::http;
using BeastParser = beast::request_parser<beast::string_body>;

std::string text_of(boost::beast::string_view view) { return {view.data(), view.size()}; }

struct Refusal {
  int status;
  Code code;
  const char* message;
};

Refusal refusal_of(const boost::system::error_code& error) {
  if (error == beast::error::header_limit) return {431, Code::too_large, "the request header is too large"};
  if (error == beast::error::body_limit) return {413, Code::too_large, "the request body is too large"};
  if (error == beast::error::bad_transfer_encoding) return {501, Code::unsupported, "this transfer encoding is not supported"};
  return {400, Code::invalid, "the request is not HTTP/1.1"};
}

bool read_query(std::string_view text, Fields& out) {
  while (!text.empty()) {
    auto end = text.find('&');
    auto pair = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (pair.empty()) continue;
    auto equals = pair.find('=');
    auto name = percent_decoded(pair.substr(0, equals), true);
    auto value = percent_decoded(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
    if (!name || !value) return false;
    out.insert_or_assign(std::move(*name), std::move(*value));
  }
  return true;
}

// origin-form only, and absolute-form reduced to it.
bool read_target(std::string_view target, Request& out) {
  if (target.starts_with("http://") || target.starts_with("https://")) {
    auto slash = target.find('/', target.find("//") + 2);
    target = slash == std::string_view::npos ? "/" : target.substr(slash);
  }
  if (!target.starts_with('/') && target != "*") return false;
  target = target.substr(0, target.find('#'));
  auto mark = target.find('?');
  out.raw_path = target.substr(0, mark);
  auto path = percent_decoded(out.raw_path, false);
  if (!path) return false;
  out.path = std::move(*path);
  if (mark == std::string_view::npos) return true;
  out.raw_query = target.substr(mark + 1);
  return read_query(out.raw_query, out.query);
}

}  // namespace

struct RequestParser::State {
  explicit State(const RequestLimits& limits) {
    beast.eager(true);
    beast.header_limit(static_cast<std::uint32_t>(limits.header_bytes_max));
    beast.body_limit(limits.body_bytes_max);
  }
  BeastParser beast;
  bool begun = false;
  bool continue_told = false;
};

RequestParser::RequestParser(RequestLimits limits) : limits_(limits), state_(std::make_unique<State>(limits)) {}
RequestParser::~RequestParser() = default;

void RequestParser::feed(std::span<const std::byte> bytes) { buffer_.append(as_text(bytes)); }
bool RequestParser::header_done() const { return state_->beast.is_header_done(); }
bool RequestParser::between_requests() const { return buffer_.empty() && !state_->begun; }

bool RequestParser::take_expect_continue() {
  if (!header_done() || state_->continue_told) return false;
  state_->continue_told = true;
  return same_name(text_of(state_->beast.get()["Expect"]), "100-continue");
}

Result<std::optional<Request>> RequestParser::next() {
  CHECK(refusal_status_ == 0, "next() after a failure");
  auto& parser = state_->beast;
  std::size_t used = 0;
  while (used < buffer_.size() && !parser.is_done()) {
    state_->begun = true;
    boost::system::error_code error;
    used += parser.put(boost::asio::buffer(buffer_.data() + used, buffer_.size() - used), error);
    if (error == beast::error::need_more) break;
    if (error) {
      auto [status, code, message] = refusal_of(error);
      return refuse(status, code, message);
    }
  }
  buffer_.erase(0, used);
  if (!parser.is_done()) return std::nullopt;
  auto request = finished();
  if (!request) return std::move(request).error();
  state_ = std::make_unique<State>(limits_);
  return std::optional(std::move(*request));
}

Result<Request> RequestParser::finished() {
  auto message = state_->beast.release();
  Request request;
  request.method = text_of(message.method_string());
  request.keep_alive = message.keep_alive();
  request.chunked_allowed = message.version() >= 11;
  for (auto& field : message) request.headers.add(text_of(field.name_string()), text_of(field.value()));
  auto encoding = request.headers.get("Transfer-Encoding");
  if (!encoding.empty() && !same_name(encoding, "chunked")) return refuse(501, Code::unsupported, "this transfer encoding is not supported");
  if (!read_target(text_of(message.target()), request)) return refuse(400, Code::invalid, "the request target is not a path with a query");
  request.body = Slice::own(std::move(message.body()));
  return request;
}

Error RequestParser::refuse(int status, Code code, std::string message) {
  refusal_status_ = status;
  buffer_.clear();
  return fail(code, std::move(message));
}

}  // namespace tidemill::http
