#include "sql/bind_expression.h"

#include <fmt/core.h>

#include <algorithm>

#include "sql/coerce.h"
#include "sql/sql.h"

namespace tidemill::sql {

using record::Kind;
using record::Type;

namespace {

constexpr std::size_t text_bytes_total_max = 16u << 20;  // what printing the nested expressions of one query may cost

struct PseudoName {
  std::string_view name;
  Pseudo pseudo;
};
constexpr PseudoName pseudo_names[] = {{"ROWTIME", Pseudo::rowtime}, {"ROWPARTITION", Pseudo::rowpartition}, {"ROWOFFSET", Pseudo::rowoffset},
                                       {"WINDOWSTART", Pseudo::windowstart}, {"WINDOWEND", Pseudo::windowend}};

std::string_view symbol(ExprOp op) {
  switch (op) {
    case ExprOp::add: return "+";
    case ExprOp::subtract: return "-";
    case ExprOp::multiply: return "*";
    case ExprOp::divide: return "/";
    case ExprOp::modulo: return "%";
    case ExprOp::equal: return "=";
    case ExprOp::not_equal: return "<>";
    case ExprOp::less: return "<";
    case ExprOp::less_equal: return "<=";
    case ExprOp::greater: return ">";
    case ExprOp::greater_equal: return ">=";
    case ExprOp::distinct_from: return "IS DISTINCT FROM";
    case ExprOp::not_distinct_from: return "IS NOT DISTINCT FROM";
    case ExprOp::and_: return "AND";
    case ExprOp::or_: return "OR";
    case ExprOp::concat: return "||";
    default: return "?";
  }
}

std::string_view operator_name(ExprOp op) {
  switch (op) {
    case ExprOp::add: return "ADD";
    case ExprOp::subtract: return "SUBTRACT";
    case ExprOp::multiply: return "MULTIPLY";
    case ExprOp::divide: return "DIVIDE";
    case ExprOp::modulo: return "MODULUS";
    case ExprOp::equal: return "EQUAL";
    case ExprOp::not_equal: return "NOT_EQUAL";
    case ExprOp::less: return "LESS_THAN";
    case ExprOp::less_equal: return "LESS_THAN_OR_EQUAL";
    case ExprOp::greater: return "GREATER_THAN";
    case ExprOp::greater_equal: return "GREATER_THAN_OR_EQUAL";
    case ExprOp::distinct_from: return "IS_DISTINCT_FROM";
    case ExprOp::not_distinct_from: return "IS_NOT_DISTINCT_FROM";
    default: return "CONCAT";
  }
}

bool ordering(ExprOp op) { return op == ExprOp::less || op == ExprOp::less_equal || op == ExprOp::greater || op == ExprOp::greater_equal; }
bool time_type(const Type& type) { return type.kind() == Kind::date || type.kind() == Kind::time || type.kind() == Kind::timestamp; }

std::string joined(const std::vector<ExprPtr>& args, std::size_t from = 0) {
  std::string out;
  for (std::size_t i = from; i < args.size(); ++i) out += (i > from ? ", " : "") + args[i]->text;
  return out;
}

}  // namespace

std::string_view clause_name(Clause clause) {
  switch (clause) {
    case Clause::select: return "SELECT";
    case Clause::where: return "WHERE";
    case Clause::group_by: return "GROUP BY";
    case Clause::partition_by: return "PARTITION BY";
    case Clause::having: return "HAVING";
  }
  return "";
}

std::string located(Position at, std::string_view message) { return fmt::format("Line: {}, Col: {}: {}", at.line, at.column, message); }

ExpressionBinder::ExpressionBinder(const Source& source, std::string alias, QueryForm form, bool window_bounds)
    : source_(source), alias_(std::move(alias)), form_(form), window_bounds_(window_bounds) {}

ExprPtr ExpressionBinder::bind(const Ast& ast, Clause clause) {
  clause_ = clause;
  return bind_node(ast);
}

ExprPtr ExpressionBinder::bind_condition(const Ast& ast, Clause clause) {
  auto condition = bind(ast, clause);
  if (condition->type.kind() != Kind::boolean || null_literal(*condition)) {
    auto type = null_literal(*condition) ? std::string("NULL") : condition->type.text();
    auto message = fmt::format("Type error in {} expression: Should evaluate to boolean but is {} ({}) instead.", clause_name(clause), condition->text, type);
    throw Refusal{fail(Code::invalid, located(ast.at, message), "write a comparison")};
  }
  return condition;
}

void ExpressionBinder::refuse(const Ast& ast, std::string message, std::string hint) const {
  if (clause_ == Clause::where || clause_ == Clause::having) message = fmt::format("Error in {} expression: {}", clause_name(clause_), message);
  throw Refusal{fail(Code::invalid, located(ast.at, message), std::move(hint))};
}

ExprPtr ExpressionBinder::make(ExprOp op, Type type, Args args, std::string text, int index) {
  auto expr = std::make_shared<Expr>();
  text_bytes_ += text.size();
  if (++nodes_ > expression_nodes_max || text_bytes_ > text_bytes_total_max) {
    throw Refusal{fail(Code::too_large, fmt::format("The query has more than {} expression nodes", expression_nodes_max), "split it into several queries")};
  }
  expr->op = op;
  expr->type = std::move(type);
  expr->args = std::move(args);
  expr->text = std::move(text);
  expr->index = index;
  return expr;
}

ExprPtr ExpressionBinder::convert(const Ast& ast, const ExprPtr& expr, const Type& type) {
  auto result = converted(expr, type);
  if (!result) refuse(ast, result.error().message, result.error().hint);
  return *result;
}

ExprPtr ExpressionBinder::bind_node(const Ast& ast) {
  switch (ast.op) {
    case ExprOp::column: return bind_column(ast);
    case ExprOp::literal: return bind_literal(ast);
    case ExprOp::add:
    case ExprOp::subtract:
    case ExprOp::multiply:
    case ExprOp::divide:
    case ExprOp::modulo: return bind_arithmetic(ast);
    case ExprOp::negate: return bind_negate(ast);
    case ExprOp::equal:
    case ExprOp::not_equal:
    case ExprOp::less:
    case ExprOp::less_equal:
    case ExprOp::greater:
    case ExprOp::greater_equal:
    case ExprOp::distinct_from:
    case ExprOp::not_distinct_from: return bind_comparison(ast);
    case ExprOp::and_:
    case ExprOp::or_:
    case ExprOp::not_: return bind_logic(ast);
    case ExprOp::is_null:
    case ExprOp::is_not_null: {
      auto args = bind_args(ast);
      auto text = fmt::format("({} IS {}NULL)", args[0]->text, ast.op == ExprOp::is_null ? "" : "NOT ");
      return make(ast.op, Kind::boolean, std::move(args), std::move(text));
    }
    case ExprOp::concat: return bind_concat(ast);
    case ExprOp::like: return bind_like(ast);
    case ExprOp::in: return bind_in(ast);
    case ExprOp::between: return bind_between(ast);
    case ExprOp::case_: return bind_case(ast);
    case ExprOp::cast: return bind_cast(ast);
    case ExprOp::field: return bind_field(ast);
    case ExprOp::element: return bind_element(ast);
    case ExprOp::call: return bind_call(ast);
  }
  refuse(ast, "This expression is not supported yet");
}

ExpressionBinder::Args ExpressionBinder::bind_args(const Ast& ast) {
  Args args;
  for (auto& arg : ast.args) args.push_back(bind_node(*arg));
  return args;
}

// --- columns

ExprPtr ExpressionBinder::column(int index) {
  auto& found = source_.columns[static_cast<std::size_t>(index)];
  return make(ExprOp::column, found.type, {}, written(found.name), index);
}

ExprPtr ExpressionBinder::pseudo_column(Pseudo pseudo) {
  auto& entry = pseudo_names[static_cast<std::size_t>(pseudo)];
  return make(ExprOp::column, pseudo == Pseudo::rowpartition ? Kind::integer : Kind::bigint, {}, std::string(entry.name),
              column_count() + static_cast<int>(pseudo));
}

std::string ExpressionBinder::column_names() const {
  std::string names;
  for (auto& c : source_.columns) {
    if (names.size() > 300) return names + ", ...";
    names += (names.empty() ? "" : ", ") + written(c.name);
  }
  return names;
}

void ExpressionBinder::refuse_column(const Ast& ast, const std::string& shown) const {
  throw Refusal{fail(Code::invalid, located(ast.at, fmt::format("{} column '{}' cannot be resolved.", clause_name(clause_), shown)),
                     fmt::format("{} has the columns {}", source_.name, column_names()))};
}

ExprPtr ExpressionBinder::bind_column(const Ast& ast) {
  auto shown = ast.qualifier.empty() ? written(ast.name) : written(ast.qualifier) + "." + written(ast.name);
  if (!ast.qualifier.empty() && ast.qualifier != alias_ && ast.qualifier != source_.name) refuse_column(ast, shown);
  for (int i = 0; i < column_count(); ++i) {
    if (source_.columns[static_cast<std::size_t>(i)].name == ast.name) return column(i);
  }
  for (auto& [name, pseudo] : pseudo_names) {
    if (ast.name != name) continue;
    if (pseudo >= Pseudo::windowstart) return bind_window_bound(ast, pseudo);
    if (form_ == QueryForm::pull && pseudo != Pseudo::rowtime) {
      refuse(ast, fmt::format("Pull queries don't support {} in {} clauses.", name, clause_name(clause_)), "leave it out, or add EMIT CHANGES");
    }
    return pseudo_column(pseudo);
  }
  refuse_column(ast, shown);
}

ExprPtr ExpressionBinder::bind_window_bound(const Ast& ast, Pseudo pseudo) {
  if (window_bounds_ && (clause_ == Clause::group_by || in_aggregate_)) {
    refuse(ast, fmt::format("Window bounds column {} can only be used in the SELECT clause of windowed aggregations{}", ast.name,
                            in_aggregate_ ? " and can not be passed to aggregate functions" : ""),
           "leave it out: the window is part of the group anyway");
  }
  bool of_result = window_bounds_ && (clause_ == Clause::select || clause_ == Clause::having);
  if (!of_result && !source_.window) refuse_column(ast, std::string(ast.name));
  return pseudo_column(pseudo);
}

ExprPtr ExpressionBinder::bind_literal(const Ast& ast) {
  auto expr = std::make_shared<Expr>(*make(ExprOp::literal, ast.type, {}, literal_text(ast.value, ast.type)));
  expr->value = ast.value;
  return expr;
}

// --- operators

ExprPtr ExpressionBinder::bind_arithmetic(const Ast& ast) {
  auto args = bind_args(ast);
  auto text = fmt::format("({} {} {})", args[0]->text, symbol(ast.op), args[1]->text);
  bool strings = args[0]->type.kind() == Kind::string && args[1]->type.kind() == Kind::string && !null_literal(*args[0]) && !null_literal(*args[1]);
  if (ast.op == ExprOp::add && strings) return make(ExprOp::concat, Kind::string, std::move(args), std::move(text));
  for (auto& arg : args) {
    auto& other = &arg == &args[0] ? args[1] : args[0];
    if (null_literal(*arg) && other->type.numeric()) arg = convert(ast, arg, other->type);
  }
  if (!args[0]->type.numeric() || !args[1]->type.numeric()) {
    refuse(ast, fmt::format("Unsupported arithmetic types: {} ({}) {} {} ({})", args[0]->text, args[0]->type.text(), operator_name(ast.op), args[1]->text, args[1]->type.text()),
           "CAST both sides to numbers");
  }
  auto type = arithmetic_type(ast.op, args[0]->type, args[1]->type);
  for (auto& arg : args) arg = convert(ast, arg, type.kind() == Kind::decimal ? as_decimal(arg->type) : type);
  return make(ast.op, type, std::move(args), std::move(text));
}

ExprPtr ExpressionBinder::bind_negate(const Ast& ast) {
  auto args = bind_args(ast);
  if (!args[0]->type.numeric()) refuse(ast, fmt::format("Negation needs a number: -{} ({})", args[0]->text, args[0]->type.text()), "CAST it to a number");
  auto text = "-" + args[0]->text;
  auto type = args[0]->type;
  if (!literal(*args[0])) return make(ExprOp::negate, type, std::move(args), std::move(text));
  auto folded = std::make_shared<Expr>(*make(ExprOp::literal, type, {}, std::move(text)));
  auto& value = args[0]->value;
  if (auto* whole = std::get_if<std::int64_t>(&value.data)) folded->value = *whole == INT64_MIN ? *whole : -*whole;
  else if (auto* number = std::get_if<double>(&value.data)) folded->value = -*number;
  else if (auto* decimal = std::get_if<record::Decimal>(&value.data)) folded->value = record::Decimal{-decimal->unscaled};
  return folded;
}

void ExpressionBinder::match(const Ast& ast, ExprPtr& left, ExprPtr& right) {
  auto& a = left->type;
  auto& b = right->type;
  if (a == b) return;
  auto pseudo_time = [&](const ExprPtr& e) {
    return e->op == ExprOp::column && (e->text == "ROWTIME" || e->text == "WINDOWSTART" || e->text == "WINDOWEND");
  };
  auto moment = [&](const ExprPtr& text) {
    auto at = convert(ast, text, Kind::timestamp);
    auto number = std::make_shared<Expr>(*at);
    number->type = Kind::bigint;
    return ExprPtr(number);
  };
  if (a.numeric() && b.numeric()) {
    auto type = common_numeric(a, b);
    for (auto* side : {&left, &right}) {
      bool same_scale = type.kind() == Kind::decimal && (*side)->type.kind() == Kind::decimal && (*side)->type.scale() == type.scale();
      if (!same_scale) *side = convert(ast, *side, type);
    }
  } else if (pseudo_time(left) && literal(*right) && b.kind() == Kind::string) {
    right = moment(right);
  } else if (pseudo_time(right) && literal(*left) && a.kind() == Kind::string) {
    left = moment(left);
  } else if (b.kind() == Kind::string && (time_type(a) || a.kind() == Kind::bytes)) {
    right = convert(ast, right, a);
  } else if (a.kind() == Kind::string && (time_type(b) || b.kind() == Kind::bytes)) {
    left = convert(ast, left, b);
  } else if (a.kind() == Kind::date && b.kind() == Kind::timestamp) {
    left = convert(ast, left, b);
  } else if (b.kind() == Kind::date && a.kind() == Kind::timestamp) {
    right = convert(ast, right, a);
  } else {
    refuse(ast, fmt::format("Cannot compare {} ({}) to {} ({}) with {}.", left->text, a.text(), right->text, b.text(), operator_name(ast.op)),
           "CAST one side to the type of the other");
  }
}

ExprPtr ExpressionBinder::bind_comparison(const Ast& ast) {
  auto args = bind_args(ast);
  auto text = fmt::format("({} {} {})", args[0]->text, symbol(ast.op), args[1]->text);
  if (null_literal(*args[0]) || null_literal(*args[1])) {
    refuse(ast, fmt::format("Comparison with NULL not supported: {} {} {}", args[0]->text == "null" ? "NULL" : args[0]->text, symbol(ast.op), args[1]->text == "null" ? "NULL" : args[1]->text),
           "use IS NULL or IS NOT NULL");
  }
  match(ast, args[0], args[1]);
  auto& type = args[0]->type;
  if (ordering(ast.op) && (type.nested() || type.kind() == Kind::boolean)) {
    refuse(ast, fmt::format("Cannot compare {} ({}) to {} ({}) with {}.", args[0]->text, type.text(), args[1]->text, type.text(), operator_name(ast.op)),
           "only = and <> compare such values");
  }
  return make(ast.op, Kind::boolean, std::move(args), std::move(text));
}

ExprPtr ExpressionBinder::bind_logic(const Ast& ast) {
  auto args = bind_args(ast);
  for (auto& arg : args) {
    if (arg->type.kind() == Kind::boolean) continue;
    if (null_literal(*arg)) arg = convert(ast, arg, Kind::boolean);
    else refuse(ast, fmt::format("{} needs BOOLEAN operands, but {} is {}", ast.op == ExprOp::not_ ? "NOT" : symbol(ast.op), arg->text, arg->type.text()), "write a comparison");
  }
  auto text = ast.op == ExprOp::not_ ? fmt::format("(NOT {})", args[0]->text) : fmt::format("({} {} {})", args[0]->text, symbol(ast.op), args[1]->text);
  return make(ast.op, Kind::boolean, std::move(args), std::move(text));
}

ExprPtr ExpressionBinder::bind_concat(const Ast& ast) {
  auto args = bind_args(ast);
  auto text = fmt::format("({} || {})", args[0]->text, args[1]->text);
  for (auto& arg : args) {
    if (arg->type.kind() != Kind::string) {
      refuse(ast, fmt::format("Unsupported types for ||: {} ({}) and {} ({})", args[0]->text, args[0]->type.text(), args[1]->text, args[1]->type.text()), "CAST both sides to STRING");
    }
  }
  return make(ExprOp::concat, Kind::string, std::move(args), std::move(text));
}

ExprPtr ExpressionBinder::bind_between(const Ast& ast) {
  auto args = bind_args(ast);
  auto text = fmt::format("({} BETWEEN {} AND {})", args[0]->text, args[1]->text, args[2]->text);
  for (auto& arg : args) {
    if (null_literal(*arg)) refuse(ast, fmt::format("Comparison with NULL not supported: {}", text), "use IS NULL");
  }
  match(ast, args[0], args[1]);
  match(ast, args[0], args[2]);
  args[1] = convert(ast, args[1], args[0]->type);  // the second match may have widened the value
  if (args[0]->type.nested() || args[0]->type.kind() == Kind::boolean) refuse(ast, fmt::format("BETWEEN cannot compare {}", args[0]->type.text()), "use = or IN");
  return make(ExprOp::between, Kind::boolean, std::move(args), std::move(text));
}

ExprPtr ExpressionBinder::bind_in(const Ast& ast) {
  auto args = bind_args(ast);
  auto text = fmt::format("({} IN ({}))", args[0]->text, joined(args, 1));
  if (auto type = unify(args); !type) refuse(ast, "Invalid Predicate: " + type.error().message + ".", type.error().hint);
  return make(ExprOp::in, Kind::boolean, std::move(args), std::move(text));
}

ExprPtr ExpressionBinder::bind_like(const Ast& ast) {
  auto args = bind_args(ast);
  for (auto& arg : args) {
    if (arg->type.kind() != Kind::string) refuse(ast, fmt::format("Like condition must be between strings, but {} is {}", arg->text, arg->type.text()), "CAST it to STRING");
  }
  if (args.size() == 3) {
    auto& escape = std::get<std::string>(args[2]->value.data);
    auto characters = std::count_if(escape.begin(), escape.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
    if (characters != 1) refuse(ast, fmt::format("Expected singe character escape sequence, got: {}", escape), "give one character after ESCAPE");
  }
  auto text = fmt::format("({} LIKE {}{})", args[0]->text, args[1]->text, args.size() == 3 ? " ESCAPE " + args[2]->text : "");
  return make(ExprOp::like, Kind::boolean, std::move(args), std::move(text));
}

ExprPtr ExpressionBinder::bind_case(const Ast& ast) {
  auto args = bind_args(ast);
  std::string text = "(CASE";
  Args results;
  for (std::size_t i = 0; i < args.size(); i += 2) {
    bool otherwise = i + 1 == args.size();
    text += otherwise ? fmt::format(" ELSE {}", args[i]->text) : fmt::format(" WHEN {} THEN {}", args[i]->text, args[i + 1]->text);
    if (!otherwise && args[i]->type.kind() != Kind::boolean) {
      refuse(ast, fmt::format("WHEN operand type should be boolean. Type for '{}' is {}", args[i]->text, args[i]->type.text()), "write a comparison");
    }
    results.push_back(args[otherwise ? i : i + 1]);
  }
  if (std::all_of(results.begin(), results.end(), [](const ExprPtr& e) { return null_literal(*e); })) {
    refuse(ast, "Invalid Case expression. All case branches have NULL type", "CAST one of them");
  }
  auto type = unify(results);
  if (!type) refuse(ast, "Invalid Case expression. Type for all 'THEN' clauses should be the same. " + type.error().message, type.error().hint);
  for (std::size_t i = 0; i < args.size(); i += 2) args[i + 1 == args.size() ? i : i + 1] = results[i / 2];
  return make(ExprOp::case_, *type, std::move(args), text + " END)");
}

ExprPtr ExpressionBinder::bind_cast(const Ast& ast) {
  auto args = bind_args(ast);
  auto text = fmt::format("CAST({} AS {})", args[0]->text, ast.type.text());
  auto& from = args[0]->type;
  if (!null_literal(*args[0]) && !castable(from, ast.type)) {
    refuse(ast, fmt::format("{}Cast of {} to {} is not supported", clause_ == Clause::select ? "Invalid Select: " : "", from.text(), ast.type.text()),
           fmt::format("{} can be cast to STRING", from.text()));
  }
  // Typed literals (DATE '2020-01-01') are checked now; a cast that fails for some rows only is NULL there.
  bool moment = literal(*args[0]) && time_type(ast.type) && from.kind() == Kind::string;
  if (null_literal(*args[0]) || moment) {
    auto folded = std::make_shared<Expr>(*convert(ast, args[0], ast.type));
    folded->text = text;
    return folded;
  }
  return make(ExprOp::cast, ast.type, std::move(args), std::move(text));
}

ExprPtr ExpressionBinder::bind_field(const Ast& ast) {
  auto args = bind_args(ast);
  auto& type = args[0]->type;
  if (type.kind() != Kind::struct_) refuse(ast, fmt::format("Expected STRUCT type, got: {} for {}", type.text(), args[0]->text), "-> reads a field of a STRUCT");
  auto index = type.field_index(ast.name);
  if (index < 0) {
    std::string names;
    for (auto& f : type.fields()) names += (names.empty() ? "" : ", ") + written(f.name);
    refuse(ast, fmt::format("Could not find field '{}' in '{}'.", ast.name, args[0]->text), fmt::format("its fields are {}", names));
  }
  auto result = type.fields()[static_cast<std::size_t>(index)].type;
  auto text = fmt::format("{}->{}", args[0]->text, written(ast.name));
  return make(ExprOp::field, result, std::move(args), std::move(text), index);
}

ExprPtr ExpressionBinder::bind_element(const Ast& ast) {
  auto args = bind_args(ast);
  auto type = args[0]->type;
  auto text = fmt::format("{}[{}]", args[0]->text, args[1]->text);
  if (type.kind() == Kind::array) {
    if (args[1]->type.kind() != Kind::integer && args[1]->type.kind() != Kind::bigint) refuse(ast, fmt::format("The index of an ARRAY must be a whole number, but {} is {}", args[1]->text, args[1]->type.text()), "CAST it to INTEGER");
    args[1] = convert(ast, args[1], Kind::bigint);
  } else if (type.kind() == Kind::map) {
    if (args[1]->type.kind() != Kind::string) refuse(ast, fmt::format("The key of a MAP must be STRING, but {} is {}", args[1]->text, args[1]->type.text()), "CAST it to STRING");
  } else {
    refuse(ast, fmt::format("Subscript expression must be for an ARRAY or MAP, but {} is {}", args[0]->text, type.text()), "use -> for a STRUCT");
  }
  return make(ExprOp::element, type.element(), std::move(args), std::move(text));
}

// --- calls

ExprPtr ExpressionBinder::bind_call(const Ast& ast) {
  if (ast.constructor) throw Refusal{fail(Code::unsupported, located(ast.at, fmt::format("The constructor {} is not supported yet in queries", ast.name)))};
  if (aggregate_name(ast.name)) return bind_aggregate(ast);
  auto* function = find_function(ast.name);
  if (!function) refuse(ast, fmt::format("Can't find any functions with the name '{}'", ast.name), "SHOW FUNCTIONS lists them");
  return bind_scalar(ast, *function);
}

ExprPtr ExpressionBinder::bind_scalar(const Ast& ast, const Function& function) {
  if (function.clock && form_ == QueryForm::persistent) {
    refuse(ast, fmt::format("{} depends on when it is asked, so a persistent query cannot use it", function.name), "use ROWTIME");
  }
  if (function.name == "AS_VALUE" && clause_ != Clause::select) refuse(ast, "AS_VALUE can only be used in the SELECT clause", "leave it out here");
  auto args = bind_args(ast);
  auto text = fmt::format("{}({})", ast.name, joined(args));
  auto type = resolve_overload(function, args);
  if (!type) refuse(ast, type.error().message, type.error().hint);
  auto call = std::make_shared<Expr>(*make(ExprOp::call, *type, std::move(args), std::move(text)));
  call->function = function.name;
  return call;
}

}  // namespace tidemill::sql
