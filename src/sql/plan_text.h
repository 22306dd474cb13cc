// A plan in a few lines, for EXPLAIN and for tests. Columns print as #index, casts the binder put in as :TYPE.
#pragma once

#include <string>

#include "sql/plan.h"

namespace tidemill::sql {

std::string expr_text(const Expr& expr);
std::string plan_text(const QueryPlan& plan);

}  // namespace tidemill::sql
