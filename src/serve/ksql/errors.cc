#include "serve/ksql/errors.h"

#include <nlohmann/json.hpp>

namespace tidemill::serve::ksql {

namespace {

ErrorCode code_for(Code code, bool statement) {
  switch (code) {
    case Code::internal:
    case Code::io:
    case Code::corrupt: return ErrorCode::server;
    case Code::full:
    case Code::unavailable:
    case Code::cancelled: return ErrorCode::stopping;
    case Code::busy: return ErrorCode::too_many;
    default: return statement ? ErrorCode::bad_statement : ErrorCode::bad_request;
  }
}

std::string with_hint(const Error& error) { return error.hint.empty() ? error.message : error.message + "\n" + error.hint; }

}  // namespace

std::string Refused::json() const {
  nlohmann::ordered_json out;
  out["@type"] = of_statement ? "statement_error" : "generic_error";
  out["error_code"] = static_cast<int>(code);
  out["message"] = message;
  if (of_statement) {
    out["statementText"] = statement;
    out["entities"] = nlohmann::ordered_json::parse(entities, nullptr, false);
  }
  return out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

Refused refused(const Error& error) { return {code_for(error.code, false), with_hint(error), false, {}, "[]"}; }

Refused refused_statement(const Error& error, std::string statement, std::string entities) {
  return {code_for(error.code, true), with_hint(error), true, std::move(statement), std::move(entities)};
}

}  // namespace tidemill::serve::ksql
