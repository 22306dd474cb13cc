// What /metrics says of one persistent query. Numbers are handed in as they are now; counters get what was added since.
#pragma once

#include "flow/queries.h"
#include "observe/metrics.h"

namespace tidemill::flow {

class QueryMeter {
 public:
  explicit QueryMeter(const std::string& query);
  ~QueryMeter();  // the query no longer counts among those of its state
  QueryMeter(const QueryMeter&) = delete;
  QueryMeter& operator=(const QueryMeter&) = delete;

  void show(const QueryStatus& now);

 private:
  observe::Counter &rows_in_, &rows_out_, &errors_;
  observe::Gauge& state_bytes_;
  QueryStatus shown_;
};

}  // namespace tidemill::flow
