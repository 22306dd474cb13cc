#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "sql/bind_expression.h"
#include "sql/coerce.h"
#include "sql/sql.h"

namespace tidemill::sql {

using record::Kind;

namespace {

[[noreturn]] void refuse(Position at, std::string message, std::string hint = {}) {
  throw Refusal{fail(Code::invalid, located(at, message), std::move(hint))};
}

bool same_expr(const Expr& a, const Expr& b) { return a.text == b.text && a.type == b.type; }

struct Item {
  ExprPtr expr;
  std::string alias;  // given, or the column's or field's own name; empty: one is made
  bool given = false;
  Position at;
};

class QueryBinder {
 public:
  QueryBinder(const Select& select, const SourceResolver& sources, const BindOptions& options)
      : select_(select), form_(options.form), sink_(options.sink), source_(find(select, sources)), binder_(source_, select.alias, form_, select.window.has_value()) {}

  QueryPlan run() {
    plan_.form = form_;
    plan_.limit = select_.limit;
    check_clauses();
    if (select_.where) plan_.where = binder_.bind_condition(*select_.where, Clause::where);
    bind_keys();
    for (auto& item : select_.items) add_item(item);
    add_partition_keys();
    if (select_.having) plan_.having = binder_.bind_condition(*select_.having, Clause::having);
    bind_grouping();
    plan_.result = plan_.grouped ? SourceKind::table : source_.kind;
    name_items();
    form_ == QueryForm::persistent ? write_persistent_outputs() : write_outputs();
    plan_.source = source_;
    return std::move(plan_);
  }

 private:
  static Source find(const Select& select, const SourceResolver& sources) {
    auto* source = sources.find_source(select.from);
    if (!source) refuse(select.from_at, fmt::format("{} does not exist.", written(select.from)), "SHOW STREAMS and SHOW TABLES list what does; names in quotes keep their case");
    return *source;
  }

  void check_clauses();
  void check_pull();
  void bind_keys();
  void add_item(const SelectItem& item);
  void add_star(const SelectItem& item);
  void add_partition_keys();
  void add_fields(const SelectItem& item);
  void bind_grouping();
  void check_undoable();
  ExprPtr over_groups(const ExprPtr& expr);
  void name_items();
  std::string fresh_field_name(const std::string& name, const std::set<std::string>& taken) const;
  void write_outputs();
  void write_persistent_outputs();
  void add_key(const Expr& key, std::string_view what);
  bool is_key(const Item& item, const Expr& key) const { return same_expr(*item.expr, key) && (!plan_.grouped || item.expr->op == ExprOp::column); }
  std::vector<ExprPtr> result_keys();

  const Select& select_;
  QueryForm form_;
  std::string sink_;
  Source source_;
  ExpressionBinder binder_;
  QueryPlan plan_;
  std::vector<Item> items_;
  bool outside_group_ = false;
};

void QueryBinder::check_clauses() {
  auto at = select_.from_at;
  if (form_ == QueryForm::pull) check_pull();
  if (select_.limit && form_ == QueryForm::persistent) refuse(at, "CREATE ... AS SELECT does not support LIMIT.", "leave it out");
  if (select_.window && select_.group_by.empty()) refuse(select_.window->at, "WINDOW clause requires a GROUP BY clause.", "add GROUP BY");
  if (select_.window && source_.kind == SourceKind::table) refuse(select_.window->at, "WINDOW clause is only supported over a STREAM, and " + source_.name + " is a TABLE.", "leave it out");
  if (select_.window && select_.window->size_ms <= 0) refuse(select_.window->at, "The SIZE of a window must be greater than zero.", "use 1 MILLISECOND or more");
  if (select_.having && select_.group_by.empty()) refuse(select_.having_at, "HAVING clause requires a GROUP BY clause.", "use WHERE");
  if (!select_.partition_by.empty() && !select_.group_by.empty()) refuse(at, "GROUP BY and PARTITION BY clauses cannot be used together.", "a GROUP BY sets the key already");
  if (!select_.partition_by.empty() && source_.kind == SourceKind::table) refuse(at, "PARTITION BY clause is not supported for tables.", "use GROUP BY");
  if (!select_.group_by.empty() && source_.value_format == Format::kafka) {
    refuse(at, fmt::format("Source(s) {} are using the 'KAFKA' value format. This format does not yet support GROUP BY.", source_.name), "make a stream of it WITH (VALUE_FORMAT='JSON') first");
  }
  if (form_ == QueryForm::persistent && source_.window && source_.kind == SourceKind::table) {
    refuse(at, "KSQL does not support persistent queries on windowed tables.", "read the table's topic as a stream");
  }
}

void QueryBinder::check_pull() {
  auto at = select_.from_at;
  const char* clause = !select_.group_by.empty() ? "GROUP BY" : select_.window ? "WINDOW" : !select_.partition_by.empty() ? "PARTITION BY" : select_.having ? "HAVING" : nullptr;
  if (clause) refuse(at, fmt::format("Pull queries don't support {} clauses.", clause), "add EMIT CHANGES for a push query, or make a table with CREATE TABLE ... AS SELECT");
  if (source_.kind == SourceKind::table && source_.written_by.empty()) {
    refuse(at, fmt::format("The `{}` table isn't queryable. To derive a queryable table, you can do 'CREATE TABLE QUERYABLE_{} AS SELECT * FROM {}'.", source_.name, source_.name, source_.name),
           "a pull query reads the state of the query that makes the table");
  }
}

void QueryBinder::bind_keys() {
  plan_.grouped = !select_.group_by.empty();
  for (auto& ast : select_.group_by) {
    auto expr = binder_.bind(*ast, Clause::group_by);
    for (auto& other : plan_.group_by) {
      if (same_expr(*other, *expr)) refuse(ast->at, fmt::format("Duplicate expression in GROUP BY: {}", expr->text), "name it once");
    }
    plan_.group_by.push_back(expr);
  }
  for (auto& ast : select_.partition_by) {
    auto expr = binder_.bind(*ast, Clause::partition_by);
    if (null_literal(*expr)) {
      if (select_.partition_by.size() > 1) refuse(ast->at, "Cannot PARTITION BY multiple columns including NULL", "name columns only");
      throw Refusal{fail(Code::unsupported, located(ast->at, "PARTITION BY NULL is not supported yet"))};
    }
    plan_.partition_by.push_back(expr);
  }
}

// --- the projection

void QueryBinder::add_item(const SelectItem& item) {
  if (item.star) return item.expr ? add_fields(item) : add_star(item);
  Item result{binder_.bind(*item.expr, Clause::select), item.alias, !item.alias.empty(), item.at};
  if (!result.given && item.expr->op == ExprOp::column) result.alias = item.expr->name;
  if (form_ == QueryForm::persistent) {
    static const std::set<std::string_view> reserved = {"ROWTIME", "ROWPARTITION", "ROWOFFSET", "WINDOWSTART", "WINDOWEND"};
    if (reserved.contains(result.alias)) {
      if (result.given) refuse(item.at, fmt::format("`{}` is a reserved column name. You cannot use it as an alias for a column.", result.alias), "choose another alias");
      refuse(item.at, fmt::format("Reserved column name in select: `{}`. Please remove or alias the column.", result.alias), "write AS and a name after it");
    }
  }
  items_.push_back(std::move(result));
}

void QueryBinder::add_star(const SelectItem& item) {
  if (!item.qualifier.empty() && item.qualifier != select_.alias && item.qualifier != source_.name) {
    refuse(item.at, fmt::format("'{}' is not a valid stream/table name or alias.", item.qualifier), fmt::format("write {}.*", written(select_.alias)));
  }
  bool bounds = source_.window && form_ != QueryForm::persistent;
  for (int i = 0; i < binder_.column_count(); ++i) {
    auto& column = source_.columns[static_cast<std::size_t>(i)];
    if (bounds && column.role == ColumnRole::value) {
      for (auto [pseudo, name] : {std::pair{Pseudo::windowstart, "WINDOWSTART"}, std::pair{Pseudo::windowend, "WINDOWEND"}}) items_.push_back({binder_.pseudo_column(pseudo), name, false, item.at});
      bounds = false;
    }
    items_.push_back({binder_.column(i), column.name, false, item.at});
  }
}

// * in a persistent query stands for the columns of its result, so also for a key that PARTITION BY makes.
void QueryBinder::add_partition_keys() {
  auto star = std::find_if(select_.items.begin(), select_.items.end(), [](auto& item) { return item.star && !item.expr; });
  if (form_ != QueryForm::persistent || star == select_.items.end()) return;
  for (auto& key : plan_.partition_by) {
    bool there = std::any_of(items_.begin(), items_.end(), [&](auto& item) { return same_expr(*item.expr, *key); });
    if (!there) items_.push_back({key, {}, false, star->at});
  }
}

void QueryBinder::add_fields(const SelectItem& item) {
  auto structure = binder_.bind(*item.expr, Clause::select);
  if (structure->type.kind() != Kind::struct_) refuse(item.at, fmt::format("Cannot expand {}: it is {}, not a STRUCT", structure->text, structure->type.text()), "name the columns");
  auto& fields = structure->type.fields();
  for (std::size_t i = 0; i < fields.size(); ++i) {
    auto expr = std::make_shared<Expr>();
    expr->op = ExprOp::field;
    expr->type = fields[i].type;
    expr->args = {structure};
    expr->index = static_cast<int>(i);
    expr->text = fmt::format("{}->{}", structure->text, written(fields[i].name));
    items_.push_back({std::move(expr), {}, false, item.at});
  }
}

std::string QueryBinder::fresh_field_name(const std::string& name, const std::set<std::string>& taken) const {
  if (!taken.contains(name)) return name;
  for (int n = 1;; ++n) {
    if (auto candidate = fmt::format("{}_{}", name, n); !taken.contains(candidate)) return candidate;
  }
}

// Unaliased struct fields take the field's name, other expressions KSQL_COL_n.
void QueryBinder::name_items() {
  std::set<std::string> taken, columns;
  for (auto& column : source_.columns) columns.insert(column.name);
  for (auto& item : items_) {
    if (item.alias.empty()) continue;
    if (!taken.insert(item.alias).second) refuse(item.at, fmt::format("The projection contains the column `{}` more than once.", item.alias), "give one of them another alias with AS");
  }
  int made = 0;
  for (auto& item : items_) {
    if (!item.alias.empty()) continue;
    if (item.expr->op == ExprOp::field && !item.expr->args.empty()) {
      auto& fields = item.expr->args[0]->type.fields();
      auto others = taken;
      others.insert(columns.begin(), columns.end());
      item.alias = fresh_field_name(fields[static_cast<std::size_t>(item.expr->index)].name, others);
    } else {
      do item.alias = fmt::format("KSQL_COL_{}", made++);
      while (taken.contains(item.alias) || columns.contains(item.alias));
    }
    taken.insert(item.alias);
  }
}

// --- grouping

void QueryBinder::bind_grouping() {
  plan_.aggregates = binder_.aggregates();
  if (!plan_.grouped) {
    if (plan_.aggregates.empty()) return;
    std::string names;
    for (auto& name : binder_.aggregate_names()) names += (names.empty() ? "" : ", ") + name;
    refuse(select_.from_at, fmt::format("Use of aggregate functions requires a GROUP BY clause. Aggregate function(s): {}", names), "add GROUP BY");
  }
  if (plan_.aggregates.empty()) refuse(select_.from_at, "GROUP BY requires aggregate functions in either the SELECT or HAVING clause.", "add COUNT(*) or another aggregate");
  check_undoable();
  if (auto& window = select_.window) {
    auto grace = window->grace_ms.value_or(std::max<std::int64_t>(86'400'000 - window->size_ms, 0));
    if (window->retention_ms && *window->retention_ms < window->size_ms + window->grace_ms.value_or(0)) refuse(window->at, "The RETENTION of a window must not be less than its SIZE plus its GRACE PERIOD.", "raise it or leave it out");
    plan_.window = TumblingWindow{window->size_ms, grace, window->retention_ms.value_or(0)};
  }
  std::string offenders;
  for (auto& item : items_) {
    outside_group_ = false;
    auto text = item.expr->text;
    bool field = item.alias.empty() && item.expr->op == ExprOp::field;
    if (field) item.alias = item.expr->args[0]->type.fields()[static_cast<std::size_t>(item.expr->index)].name;
    item.expr = over_groups(item.expr);
    if (outside_group_) offenders += (offenders.empty() ? "" : ", ") + text;
  }
  if (!offenders.empty()) {
    refuse(select_.from_at, fmt::format("Non-aggregate SELECT expression(s) not part of GROUP BY: {}\nEither add the column(s) to the GROUP BY or remove them from the SELECT.", offenders));
  }
  if (!plan_.having) return;
  outside_group_ = false;
  auto text = plan_.having->text;
  plan_.having = over_groups(plan_.having);
  if (outside_group_) refuse(select_.having_at, fmt::format("Non-aggregate HAVING expression not part of GROUP BY: {}\nEither add the column(s) to the GROUP BY or remove them from the HAVING.", text));
}

// Rows of tables and changelogs are taken back when they change; only some aggregates can do that.
void QueryBinder::check_undoable() {
  bool changelog = source_.value_format == Format::debezium_json;
  if (source_.kind != SourceKind::table && !changelog) return;
  std::string names;
  for (std::size_t i = 0; i < plan_.aggregates.size(); ++i) {
    auto kind = plan_.aggregates[i].kind;
    if (kind == AggregateKind::min || kind == AggregateKind::max) names += (names.empty() ? "" : ", ") + binder_.aggregate_names()[i];
  }
  if (names.empty()) return;
  refuse(select_.from_at, fmt::format("The aggregation function(s) ({}) cannot be applied to a {}, only to a stream source.", names, source_.kind == SourceKind::table ? "table source" : "changelog (VALUE_FORMAT='DEBEZIUM_JSON')"),
         "COUNT, SUM and AVG can");
}

// The same expression over what a group has: its keys, its aggregates, its window.
ExprPtr QueryBinder::over_groups(const ExprPtr& expr) {
  auto groups = static_cast<int>(plan_.group_by.size());
  auto read = [&](int index) {
    auto column = std::make_shared<Expr>();
    column->op = ExprOp::column;
    column->type = expr->type;
    column->text = expr->text;
    column->index = index;
    return column;
  };
  for (int i = 0; i < groups; ++i) {
    if (same_expr(*plan_.group_by[static_cast<std::size_t>(i)], *expr)) return read(i);
  }
  if (expr->op == ExprOp::call && expr->function == aggregate_marker) return read(groups + expr->index);
  if (expr->op == ExprOp::column) {
    int pseudo = expr->index - binder_.column_count() - static_cast<int>(Pseudo::windowstart);
    if (plan_.window && pseudo >= 0) return read(groups + static_cast<int>(plan_.aggregates.size()) + pseudo);
    outside_group_ = true;
  }
  if (expr->args.empty()) return expr;
  auto result = std::make_shared<Expr>(*expr);
  for (auto& arg : result->args) arg = over_groups(arg);
  return result;
}

// --- outputs

void QueryBinder::write_outputs() {
  auto keys = result_keys();
  for (auto& item : items_) {
    bool key = std::any_of(keys.begin(), keys.end(), [&](const ExprPtr& k) { return is_key(item, *k); });
    key = key || (source_.window && !plan_.grouped && (item.alias == "WINDOWSTART" || item.alias == "WINDOWEND"));
    plan_.outputs.push_back({item.alias, item.expr->type, key ? ColumnRole::key : ColumnRole::value, item.expr});
  }
}

std::vector<ExprPtr> QueryBinder::result_keys() {
  if (plan_.grouped) return plan_.group_by;
  if (!plan_.partition_by.empty()) return plan_.partition_by;
  std::vector<ExprPtr> keys;
  for (int i = 0; i < binder_.column_count(); ++i) {
    if (source_.columns[static_cast<std::size_t>(i)].role == ColumnRole::key) keys.push_back(binder_.column(i));
  }
  return keys;
}

void QueryBinder::write_persistent_outputs() {
  auto what = plan_.grouped ? "grouping expression" : !plan_.partition_by.empty() ? "partitioning expression" : "key column";
  auto keys = result_keys();
  for (auto& key : keys) add_key(*key, what);
  for (auto& item : items_) {
    bool key = std::any_of(keys.begin(), keys.end(), [&](const ExprPtr& k) { return is_key(item, *k); });
    if (!key) plan_.outputs.push_back({item.alias, item.expr->type, ColumnRole::value, item.expr});
  }
  if (plan_.outputs.size() == keys.size()) refuse(select_.from_at, "The projection contains no value columns.", "add a column, or AS_VALUE(key) AS name for a copy of the key");
}

void QueryBinder::add_key(const Expr& key, std::string_view what) {
  const Item* found = nullptr;
  for (auto& item : items_) {
    if (!is_key(item, key)) continue;
    if (found) {
      auto message = plan_.grouped ? fmt::format("The projection contains a key column more than once: `{}` and `{}`.", found->alias, item.alias)
                                   : fmt::format("The projection contains a key column (`{}`) more than once, aliased as: {} and {}.", key.text, written(found->alias), written(item.alias));
      refuse(item.at, message, fmt::format("use AS_VALUE({}) for the copy", key.text));
    }
    found = &item;
  }
  if (!found) refuse(select_.from_at, fmt::format("The query{} must include the {} {} in its projection (eg, SELECT {}...).", sink_.empty() ? "" : " used to build `" + sink_ + "`", what, key.text, key.text), fmt::format("add {} to the SELECT", key.text));
  plan_.outputs.push_back({found->alias, found->expr->type, ColumnRole::key, found->expr});
}

}  // namespace

Result<QueryPlan> bind_query(const Select& select, const SourceResolver& sources, BindOptions options) {
  try {
    return QueryBinder(select, sources, options).run();
  } catch (Refusal& refusal) {
    return std::move(refusal.error);
  }
}

}  // namespace tidemill::sql
