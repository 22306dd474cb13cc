// Pull queries: rows of a table as the query that makes it has them now, filtered and projected.
#pragma once

#include <vector>

#include "flow/pipeline.h"
#include "flow/queries.h"

namespace tidemill::flow {

// `made_by` is the plan of `state`; `plan` reads the table it writes.
Result<std::vector<ResultRow>> answer_pull(Pipeline& state, const sql::QueryPlan& made_by, const sql::QueryPlan& plan);

// The results of the last run as rows of values. A stream's record without a value is a row of NULLs beside its key.
void take_results(const Pipeline& pipeline, std::vector<ResultRow>& out);

}  // namespace tidemill::flow
