// Types meeting types: which conversions happen by themselves, what literals may become, and the result types of decimal arithmetic.
// Literals are converted here and now; anything else gets a cast node for the engine.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sql/plan.h"

namespace tidemill::sql {

bool null_literal(const Expr& expr);
bool literal(const Expr& expr);

// The wider of two numeric types: INTEGER < BIGINT < DECIMAL < DOUBLE.
record::Type common_numeric(const record::Type& a, const record::Type& b);
// DECIMAL of an INTEGER or BIGINT; others unchanged.
record::Type as_decimal(const record::Type& type);
record::Type arithmetic_type(ExprOp op, const record::Type& a, const record::Type& b);

// Whether values of `from` turn into `to` without being asked (widening, STRING to a time, element by element).
bool widens(const record::Type& from, const record::Type& to);
// Whether CAST(from AS to) exists.
bool castable(const record::Type& from, const record::Type& to);

// The expression as `type`: itself, a converted literal, or a cast node. Code::invalid when a literal's text does not convert.
Result<ExprPtr> converted(const ExprPtr& expr, const record::Type& type);

// One type for all, as literals and implicit casts allow; the first that is not NULL leads. The expressions are converted in place.
// Code::invalid with ksqlDB's wording ("operator does not exist: INTEGER = STRING (NAME)").
Result<record::Type> unify(std::vector<ExprPtr>& exprs);

// A literal's value as `type` under the rules for literals (numeric texts are numbers, anything can be text).
Result<record::Value> literal_as(const record::Value& value, const record::Type& from, const record::Type& to);

// Texts of times, UTC when they name no zone: yyyy[-MM[-dd[THH[:mm[:ss[.SSS]]]]]][Z|+hh:mm] in ms since 1970.
std::optional<std::int64_t> parse_timestamp(std::string_view text);
std::optional<std::int64_t> parse_date(std::string_view text);  // days
std::optional<std::int64_t> parse_time(std::string_view text);  // ms of the day

}  // namespace tidemill::sql
