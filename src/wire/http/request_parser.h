// RequestParser: bytes of a connection in, requests out, in order. Limits are checked before memory is taken. After a failure
// the connection is to be answered with refusal_status() and closed: where the next request starts is no longer known.
#pragma once

#include <memory>

#include "base/result.h"
#include "wire/http/http.h"

namespace tidemill::http {

struct RequestLimits {
  std::size_t header_bytes_max = 16 * 1024;
  std::size_t body_bytes_max = 16 * 1024 * 1024;
};

class RequestParser {
 public:
  explicit RequestParser(RequestLimits limits);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  void feed(std::span<const std::byte> bytes);
  // The next complete request; nullopt: more bytes are needed.
  Result<std::optional<Request>> next();

  int refusal_status() const { return refusal_status_; }     // 400, 413, 431 or 501, after next() has failed
  bool header_done() const;                                  // of the request that is being received
  bool between_requests() const;                             // nothing of a next request has arrived
  bool take_expect_continue();                               // true once: the client waits for "100 Continue"
  std::size_t buffered_bytes() const { return buffer_.size(); }

 private:
  struct State;  // Beast's parser
  Result<Request> finished();
  Error refuse(int status, Code code, std::string message);

  RequestLimits limits_;
  std::unique_ptr<State> state_;
  std::string buffer_;
  int refusal_status_ = 0;
};

}  // namespace tidemill::http
