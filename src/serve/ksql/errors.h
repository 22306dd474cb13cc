// Refusals in the shape ksqlDB's clients read: {"@type", "error_code", "message"}, and for statements their text and what the ones
// before them answered. The code is the HTTP status times 100 plus a number.
#pragma once

#include <string>

#include "base/result.h"
#include "wire/http/http.h"

namespace tidemill::serve::ksql {

enum class ErrorCode : int {
  bad_request = 40000,
  bad_statement = 40001,
  use_query_endpoint = 40002,
  too_many_push_queries = 40003,
  http2_only = 40004,
  not_found = 40400,
  too_many = 42900,
  server = 50000,
  stopping = 50303,
};

struct Refused {
  ErrorCode code = ErrorCode::bad_request;
  std::string message;
  bool of_statement = false;
  std::string statement;            // when of_statement
  std::string entities = "[]";      // JSON: answers of the statements that were executed before

  int status() const { return static_cast<int>(code) / 100; }
  std::string json() const;
  http::Response response() const { return http::Response::json(status(), json()); }
};

// One of our errors as the answer to a request, or to a statement of it.
Refused refused(const Error& error);
Refused refused_statement(const Error& error, std::string statement, std::string entities = "[]");

}  // namespace tidemill::serve::ksql
