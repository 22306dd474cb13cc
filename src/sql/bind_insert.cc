// INSERT INTO ... VALUES: literals only, coerced as literals are.
#include <fmt/core.h>

#include "sql/bind_expression.h"
#include "sql/coerce.h"
#include "sql/sql.h"

namespace tidemill::sql {

using record::Kind;
using record::Type;
using record::Value;

namespace {

[[noreturn]] void refuse(Position at, std::string message, std::string hint = {}) { throw Refusal{fail(Code::invalid, located(at, message), std::move(hint))}; }

Value negated(const Value& value, Position at) {
  if (auto* whole = std::get_if<std::int64_t>(&value.data)) return *whole == INT64_MIN ? *whole : -*whole;
  if (auto* number = std::get_if<double>(&value.data)) return -*number;
  if (auto* decimal = std::get_if<record::Decimal>(&value.data)) return record::Decimal{-decimal->unscaled};
  refuse(at, "Only numbers can be negated", "remove the minus");
}

Value evaluated(const Ast& ast, const Type& type, const std::string& column);

Value evaluated_array(const Ast& ast, const Type& type, const std::string& column) {
  auto list = std::make_shared<record::ValueList>();
  for (auto& arg : ast.args) list->push_back(evaluated(*arg, type.element(), column));
  return std::shared_ptr<const record::ValueList>(std::move(list));
}

Value evaluated_map(const Ast& ast, const Type& type, const std::string& column) {
  auto map = std::make_shared<record::ValueMap>();
  for (std::size_t i = 0; i + 1 < ast.args.size(); i += 2) {
    auto key = evaluated(*ast.args[i], Kind::string, column);
    if (key.null()) refuse(ast.args[i]->at, "The key of a MAP cannot be NULL", "give it a text");
    map->entries.emplace_back(std::get<std::string>(key.data), evaluated(*ast.args[i + 1], type.element(), column));
  }
  return std::shared_ptr<const record::ValueMap>(std::move(map));
}

Value evaluated_struct(const Ast& ast, const Type& type, const std::string& column) {
  auto list = std::make_shared<record::ValueList>(type.fields().size());
  for (std::size_t i = 0; i < ast.names.size(); ++i) {
    auto index = type.field_index(ast.names[i]);
    if (index < 0) refuse(ast.at, fmt::format("Could not find field '{}' in column `{}` ({})", ast.names[i], column, type.text()), "name one of its fields");
    (*list)[static_cast<std::size_t>(index)] = evaluated(*ast.args[i], type.fields()[static_cast<std::size_t>(index)].type, column);
  }
  return std::shared_ptr<const record::ValueList>(std::move(list));
}

Value evaluated_constructor(const Ast& ast, const Type& type, const std::string& column) {
  if (ast.name == "ARRAY" && type.kind() == Kind::array) return evaluated_array(ast, type, column);
  if (ast.name == "MAP" && type.kind() == Kind::map) return evaluated_map(ast, type, column);
  if (ast.name == "STRUCT" && type.kind() == Kind::struct_) return evaluated_struct(ast, type, column);
  refuse(ast.at, fmt::format("Expected type {} for field `{}` but got {}(...)", type.text(), column, ast.name), "give a value of that type");
}

Value evaluated(const Ast& ast, const Type& type, const std::string& column) {
  if (ast.op == ExprOp::call && ast.constructor) return evaluated_constructor(ast, type, column);
  const Ast* inner = &ast;
  bool minus = false;
  for (; inner->op == ExprOp::negate; inner = inner->args[0].get()) minus = !minus;
  if (inner->op == ExprOp::cast && inner->args[0]->op == ExprOp::literal && !minus) {
    auto given = evaluated(*inner->args[0], inner->type, column);
    auto as = literal_as(given, inner->type, type);
    if (!as) refuse(ast.at, fmt::format("Expected type {} for field `{}`: {}", type.text(), column, as.error().message), as.error().hint);
    return *as;
  }
  if (inner->op != ExprOp::literal) refuse(ast.at, fmt::format("Only literals can be inserted, and the value for `{}` is an expression", column), "write the value itself");
  if (inner->value.null()) return {};
  auto value = minus ? negated(inner->value, ast.at) : inner->value;
  auto as = literal_as(value, inner->type, type);
  if (!as) refuse(ast.at, fmt::format("Expected type {} for field `{}` but got {} ({}): {}", type.text(), column, inner->type.text(), literal_text(value, inner->type), as.error().message), "give a value of that type");
  return *as;
}

int column_index(const Source& source, const std::string& name) {
  for (std::size_t i = 0; i < source.columns.size(); ++i) {
    if (source.columns[i].name == name) return static_cast<int>(i);
  }
  return -1;
}

void check_names(const InsertValues& insert, const Source& source) {
  for (std::size_t i = 0; i < insert.columns.size(); ++i) {
    auto& name = insert.columns[i];
    if (column_index(source, name) < 0 && name != "ROWTIME") {
      throw Refusal{fail(Code::invalid, fmt::format("Column name {} does not exist.", written(name)), fmt::format("{} has the columns {}", written(source.name), schema_text(source)))};
    }
    for (std::size_t k = 0; k < i; ++k) {
      if (insert.columns[k] == name) throw Refusal{fail(Code::invalid, fmt::format("Column {} is named more than once.", written(name)), "name each column once")};
    }
  }
  auto expected = insert.columns.empty() ? source.columns.size() : insert.columns.size();
  if (insert.values.size() != expected) {
    throw Refusal{fail(Code::invalid, fmt::format("Expected {} value{} but there are {}{}.", expected, expected == 1 ? "" : "s", insert.values.size(), insert.columns.empty() ? ": " + schema_text(source) : ""),
                       "give one value for each column, or name the columns")};
  }
}

InsertedRow bind_row(const InsertValues& insert, const Source& source) {
  if (source.value_format == Format::debezium_json) throw Refusal{fail(Code::invalid, fmt::format("Cannot insert values into {}: its format DEBEZIUM_JSON is for reading only.", source.name), "change the database table it follows")};
  if (source.window) throw Refusal{fail(Code::invalid, fmt::format("Cannot insert values into windowed stream/table {}.", source.name), "insert into the source of its query")};
  check_names(insert, source);
  InsertedRow result;
  result.row.resize(source.columns.size());
  for (std::size_t i = 0; i < insert.values.size(); ++i) {
    auto index = insert.columns.empty() ? static_cast<int>(i) : column_index(source, insert.columns[i]);
    if (index < 0) {
      auto time = evaluated(*insert.values[i], Kind::bigint, "ROWTIME");
      if (!time.null()) result.rowtime_ms = std::get<std::int64_t>(time.data);
      continue;
    }
    auto& column = source.columns[static_cast<std::size_t>(index)];
    result.row[static_cast<std::size_t>(index)] = evaluated(*insert.values[i], column.type, column.name);
  }
  for (std::size_t i = 0; i < source.columns.size(); ++i) {
    bool missing = source.kind == SourceKind::table && source.columns[i].role == ColumnRole::key && result.row[i].null();
    if (missing) throw Refusal{fail(Code::invalid, fmt::format("Failed to insert values into '{}'. Value for primary key column(s) `{}` is required for tables", source.name, source.columns[i].name), "give it a value")};
  }
  return result;
}

}  // namespace

Result<InsertedRow> bind_insert(const InsertValues& insert, const Source& source) {
  try {
    return bind_row(insert, source);
  } catch (Refusal& refusal) {
    return std::move(refusal.error);
  }
}

}  // namespace tidemill::sql
