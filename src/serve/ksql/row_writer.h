// Turns result rows into the bytes of one of the protocol's two forms:
//   envelope   POST /query: one JSON array in pieces: {"header": ...}, {"row": ...}, {"finalMessage": ...}
//   delimited  POST /query-stream: a line with names and types, then one JSON array per line; tombstones are left out
#pragma once

#include <memory>
#include <string>

#include "flow/queries.h"
#include "serve/ksql/errors.h"
#include "sql/plan.h"

namespace tidemill::serve::ksql {

enum class Form : std::uint8_t { envelope, delimited };

class RowWriter {
 public:
  RowWriter(Form form, std::shared_ptr<const sql::QueryPlan> plan) : form_(form), plan_(std::move(plan)) {}

  std::string header(const std::string& query_id) const;
  void append(std::string& out, const flow::ResultRow& row) const;
  std::string final_message(const std::string& message) const;  // empty in the delimited form
  std::string error(const Refused& refused) const;
  std::string end() const { return form_ == Form::envelope ? "]\n" : ""; }
  const char* content_type() const;

 private:
  bool pushes() const { return plan_->form == sql::QueryForm::push; }
  const char* before() const { return pushes() ? "" : ",\n"; }
  const char* after() const { return pushes() ? ",\n" : ""; }

  Form form_;
  std::shared_ptr<const sql::QueryPlan> plan_;
};

}  // namespace tidemill::serve::ksql
