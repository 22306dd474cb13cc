#include "flow/meter.h"

namespace tidemill::flow {
namespace {

observe::Gauge& queries_in(QueryState state) {
  constexpr const char* names[] = {"running", "error", "stopped"};
  return observe::metrics().gauge("tidemill_flow_queries", {{"state", names[static_cast<std::size_t>(state)]}});
}

}  // namespace

QueryMeter::QueryMeter(const std::string& query)
    : rows_in_(observe::metrics().counter("tidemill_flow_rows_in_total", {{"query", query}})),
      rows_out_(observe::metrics().counter("tidemill_flow_rows_out_total", {{"query", query}})),
      errors_(observe::metrics().counter("tidemill_flow_errors_total", {{"query", query}})),
      state_bytes_(observe::metrics().gauge("tidemill_flow_state_bytes", {{"query", query}})) {
  queries_in(shown_.state).add(1);
}

QueryMeter::~QueryMeter() {
  queries_in(shown_.state).add(-1);
  state_bytes_.set(0);
}

void QueryMeter::show(const QueryStatus& now) {
  rows_in_.add(now.rows_in - shown_.rows_in);
  rows_out_.add(now.rows_out - shown_.rows_out);
  errors_.add(now.rows_bad - shown_.rows_bad);
  state_bytes_.set(static_cast<double>(now.state_bytes));
  if (now.state != shown_.state) {
    queries_in(shown_.state).add(-1);
    queries_in(now.state).add(1);
  }
  shown_ = now;
}

}  // namespace tidemill::flow
