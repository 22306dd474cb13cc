// Choosing the overload of a function: first as the arguments are, then with implicit casts, the narrowest cast winning.
#include <fmt/core.h>

#include <algorithm>

#include "sql/bind_expression.h"
#include "sql/coerce.h"

namespace tidemill::sql {

using record::Kind;
using record::Type;

namespace {

constexpr int no_match = 1'000'000;

bool ordered(const Type& type) { return !type.nested() && type.kind() != Kind::boolean; }

// How far a type is from a parameter: 0 exact, then INTEGER < BIGINT < DECIMAL < DOUBLE.
int distance(const Type& from, Kind to, bool casts) {
  if (from.kind() == to) return 0;
  auto rank = [](Kind kind) { return kind == Kind::integer ? 0 : kind == Kind::bigint ? 1 : kind == Kind::decimal ? 2 : 3; };
  Type target(to);
  if (!casts) return no_match;
  if (from.numeric() && target.numeric()) return rank(to) > rank(from.kind()) ? rank(to) - rank(from.kind()) : no_match;
  return !target.nested() && from.kind() == Kind::string && widens(from, target) ? 1 : no_match;
}

const Parameter& parameter_at(const Overload& overload, std::size_t i) { return overload.parameters[std::min(i, overload.parameters.size() - 1)]; }

bool accepts_count(const Overload& overload, std::size_t count) {
  return overload.variadic ? count >= overload.parameters.size() : count == overload.parameters.size();
}

// The arguments of generic parameters must agree; GREATEST and LEAST take only literals and DECIMALs along.
bool generics_agree(const Overload& overload, const std::vector<ExprPtr>& args, bool casts) {
  const Expr* first = nullptr;
  for (std::size_t i = 0; i < args.size(); ++i) {
    auto rule = parameter_at(overload, i).rule;
    if (rule == Parameter::Rule::kind || null_literal(*args[i])) continue;
    if (rule == Parameter::Rule::ordered && !ordered(args[i]->type)) return false;
    if (!first) first = args[i].get();
    if (args[i]->type == first->type) continue;
    if (!casts) return false;
    bool decimals = args[i]->type.kind() == Kind::decimal && first->type.kind() == Kind::decimal;
    if (rule == Parameter::Rule::ordered && !decimals && !literal(*args[i]) && !literal(*first)) return false;
  }
  return true;
}

int cost(const Overload& overload, const std::vector<ExprPtr>& args, bool casts) {
  if (!accepts_count(overload, args.size()) || !generics_agree(overload, args, casts)) return no_match;
  int total = 0;
  for (std::size_t i = 0; i < args.size(); ++i) {
    auto& parameter = parameter_at(overload, i);
    if (parameter.rule != Parameter::Rule::kind || null_literal(*args[i])) continue;
    total = std::min(no_match, total + distance(args[i]->type, parameter.kind, casts));
  }
  return total;
}

std::string types_text(const std::vector<ExprPtr>& args) {
  std::string out;
  for (auto& arg : args) out += (out.empty() ? "" : ", ") + (null_literal(*arg) ? "null" : arg->type.text());
  return out;
}

std::string alternatives(const Function& function) {
  std::string out;
  for (auto& overload : function.overloads) {
    std::string parameters;
    for (auto& p : overload.parameters) {
      parameters += (parameters.empty() ? "" : ", ");
      parameters += p.rule != Parameter::Rule::kind ? "T" : p.kind == Kind::decimal ? "DECIMAL" : Type(p.kind).text();
    }
    out += fmt::format("\n{}({}{})", function.name, parameters, overload.variadic ? "..." : "");
  }
  return out;
}

Result<Type> apply(const Overload& overload, std::vector<ExprPtr>& args) {
  std::vector<ExprPtr> generic;
  for (std::size_t i = 0; i < args.size(); ++i) {
    auto& parameter = parameter_at(overload, i);
    if (parameter.rule != Parameter::Rule::kind) {
      generic.push_back(args[i]);
      continue;
    }
    if (args[i]->type.kind() == parameter.kind && !null_literal(*args[i])) continue;
    TRY_ASSIGN(same, converted(args[i], parameter.kind == Kind::decimal ? as_decimal(args[i]->type) : Type(parameter.kind)));
    args[i] = same;
  }
  Type common;
  if (!generic.empty()) {
    TRY_ASSIGN(met, unify(generic));
    common = met;
    for (std::size_t i = 0, g = 0; i < args.size(); ++i) {
      if (parameter_at(overload, i).rule != Parameter::Rule::kind) args[i] = generic[g++];
    }
  }
  switch (overload.rule) {
    case Overload::Rule::generic: return common;
    case Overload::Rule::same: return args[0]->type;
    case Overload::Rule::whole: return Type::decimal(std::max(1, args[0]->type.precision() - args[0]->type.scale()), 0);
    case Overload::Rule::type: break;
  }
  return overload.returns;
}

}  // namespace

Result<Type> resolve_overload(const Function& function, std::vector<ExprPtr>& args) {
  for (bool casts : {false, true}) {
    const Overload* best = nullptr;
    int least = no_match;
    for (auto& overload : function.overloads) {
      if (int c = cost(overload, args, casts); c < least) best = &overload, least = c;
    }
    if (best) return apply(*best, args);
  }
  bool generic = !args.empty() && function.overloads.front().parameters.front().rule == Parameter::Rule::ordered;
  bool numbers = std::all_of(args.begin(), args.end(), [](const ExprPtr& e) { return e->type.numeric(); });
  if (generic && numbers) {
    return fail(Code::invalid, fmt::format("Function '{}' cannot be resolved due to ambiguous method parameters ({}).", function.name, types_text(args)), "CAST the arguments to one type");
  }
  return fail(Code::invalid, fmt::format("Function '{}' does not accept parameters ({}).\nValid alternatives are:{}", function.name, types_text(args), alternatives(function)),
              "CAST the arguments to a type it accepts");
}

}  // namespace tidemill::sql
