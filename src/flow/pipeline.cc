#include "flow/pipeline.h"

#include <algorithm>

#include "base/check.h"

namespace tidemill::flow {

using record::Chunk;
using record::RowOp;

namespace {

std::size_t pseudo_column(const sql::Source& source, sql::Pseudo which) { return source.columns.size() + static_cast<std::size_t>(which); }

void make_like(const Chunk& from, Chunk& to) {
  to.columns.clear();
  for (auto& column : from.columns) to.columns.emplace_back(column.type);
}

}  // namespace

Pipeline::Pipeline(std::shared_ptr<const sql::QueryPlan> plan) : plan_(std::move(plan)) {
  if (plan_->where) where_.emplace(plan_->where);
  if (plan_->having) having_.emplace(plan_->having);
  for (auto& output : plan_->outputs) outputs_.emplace_back(output.expr);
  if (plan_->grouped) grouping_ = std::make_unique<Grouping>(*plan_);
  cells_.resize(outputs_.size());
  mark_used();
}

Result<std::unique_ptr<Pipeline>> Pipeline::make(std::shared_ptr<const sql::QueryPlan> plan, bool keep_table_rows) {
  std::unique_ptr<Pipeline> p(new Pipeline(std::move(plan)));
  auto& source = p->plan_->source;
  bool table = source.kind == sql::SourceKind::table;
  if (p->grouping_ && (table || source.value_format == sql::Format::debezium_json) && !p->grouping_->undoable())
    return fail(Code::unsupported, "MIN and MAX cannot be taken back, and rows of " + source.name + " can be updated or deleted",
                "aggregate a stream of inserts, or use COUNT, SUM or AVG");
  p->need_before_ = table && (p->grouping_ || p->where_);
  if (table && (p->need_before_ || keep_table_rows)) {
    std::vector<int> kept, keys;
    for (std::size_t i = 0; i < source.columns.size(); ++i)
      if (source.columns[i].role == sql::ColumnRole::key) {
        p->used_[i] = true;
        keys.push_back(static_cast<int>(i));
      }
    auto rowtime = pseudo_column(source, sql::Pseudo::rowtime), start = pseudo_column(source, sql::Pseudo::windowstart);
    p->used_[rowtime] = true;
    if (source.window) keys.push_back(static_cast<int>(start));
    for (std::size_t i = 0; i < p->used_.size(); ++i)
      if (p->used_[i]) kept.push_back(static_cast<int>(i));
    p->table_ = std::make_unique<TableRows>(std::move(kept), std::move(keys));
  }
  p->decoder_ = std::make_unique<RowDecoder>(source, p->used_);
  p->decoder_->prepare(p->input_);
  make_like(p->input_, p->changes_);
  p->find_lookup();
  return p;
}

bool Pipeline::changes() const { return plan_->source.kind == sql::SourceKind::table || plan_->source.value_format == sql::Format::debezium_json; }

void Pipeline::mark_used() {
  used_.assign(plan_->source.columns.size() + sql::pseudo_count, false);
  mark_columns(plan_->where, used_);
  if (plan_->source.window) used_[pseudo_column(plan_->source, sql::Pseudo::windowstart)] = true;
  for (auto& expr : plan_->partition_by) mark_columns(expr, used_);
  for (auto& expr : plan_->group_by) mark_columns(expr, used_);
  for (auto& aggregate : plan_->aggregates) mark_columns(aggregate.argument, used_);
  if (!plan_->grouped)
    for (auto& output : plan_->outputs) mark_columns(output.expr, used_);
}

// The outputs that are plain copies of the parts of the state's key.
void Pipeline::find_lookup() {
  std::vector<int> wanted;
  if (grouping_) {
    for (std::size_t i = 0; i < plan_->group_by.size(); ++i) wanted.push_back(static_cast<int>(i));
  } else if (table_) {
    for (std::size_t i = 0; i < plan_->source.columns.size(); ++i)
      if (plan_->source.columns[i].role == sql::ColumnRole::key) wanted.push_back(static_cast<int>(i));
  }
  for (int column : wanted) {
    auto found = std::find_if(plan_->outputs.begin(), plan_->outputs.end(), [&](const sql::Output& output) {
      return output.expr->op == sql::ExprOp::column && output.expr->index == column && output.role == sql::ColumnRole::key;
    });
    if (found == plan_->outputs.end()) return lookup_outputs_.clear();
    lookup_outputs_.push_back(static_cast<int>(found - plan_->outputs.begin()));
  }
}

void Pipeline::clear() {
  input_.clear();
  changes_.clear();
  results_.clear();
}

void Pipeline::report(const ErrorLog& errors, const Chunk& chunk, std::vector<BadRow>& bad) {
  for (auto& error : errors) bad.push_back({chunk.origins[error.row], error.message, ProcessingError::What::processing, false});
}

Result<void> Pipeline::run(std::vector<BadRow>& bad) {
  results_.clear();
  working_ = &input_;
  if (table_ && need_before_) {
    table_->run(input_, changes_, false);
    working_ = &changes_;
  } else if (table_) {
    table_->note(input_);
  }
  auto& in = *working_;
  in.select_all();
  ErrorLog errors;
  if (where_) keep_true(where_->evaluate(in.columns, in.arena, in.selection, errors), in.selection, selected_);
  const auto& passed = where_ ? selected_ : in.selection;
  if (grouping_) {
    TRY(grouping_->run(in, in.arena, passed, errors));
    report(errors, in, bad);
    errors.clear();
    working_ = &grouping_->out();
    choose_groups(errors);
  } else {
    choose_stateless(passed);
  }
  project(errors);
  report(errors, *working_, bad);
  return {};
}

// Which rows come out of a projection. A row that leaves the filter leaves a tombstone.
void Pipeline::choose_stateless(const std::vector<std::uint32_t>& passed) {
  auto& in = *working_;
  auto start_column = pseudo_column(plan_->source, sql::Pseudo::windowstart);
  auto add = [&](std::uint32_t row, bool tombstone) {
    auto start = plan_->source.window ? in.columns[start_column].whole[row] : 0;
    results_.push_back({row, tombstone, start, in.ops[row] == RowOp::no_value});
  };
  for (std::size_t i = 0; i < passed.size(); ++i) {
    auto row = passed[i];
    switch (in.ops[row]) {
      case RowOp::insert:
      case RowOp::update_after: add(row, false); break;
      case RowOp::remove: add(row, true); break;
      case RowOp::no_value:
        if (!where_) add(row, true);
        break;
      case RowOp::update_before: {
        bool stays = i + 1 < passed.size() && passed[i + 1] == row + 1 && in.ops[row + 1] == RowOp::update_after;
        if (!stays) add(row, true);
      }
    }
  }
}

void Pipeline::choose_groups(ErrorLog& errors) {
  auto& out = grouping_->out();
  out.select_all();
  auto add = [&](std::uint32_t row, bool tombstone) {
    results_.push_back({row, tombstone, grouping_->window_start_ms(grouping_->group_of(row)), false});
  };
  if (!having_) {
    for (auto row : out.selection) add(row, false);
    return;
  }
  keep_true(having_->evaluate(out.columns, out.arena, out.selection, errors), out.selection, selected_);
  std::size_t next = 0;
  for (auto row : out.selection) {
    bool passes = next < selected_.size() && selected_[next] == row;
    next += passes;
    auto& passed = grouping_->passed(grouping_->group_of(row));
    if (passes || passed) add(row, !passes);
    passed = passes;
  }
}

void Pipeline::project(ErrorLog& errors) {
  key_rows_.clear();
  value_rows_.clear();
  for (auto& result : results_) {
    key_rows_.push_back(result.row);
    if (!result.tombstone) value_rows_.push_back(result.row);
  }
  auto& in = *working_;
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    if (plan_->outputs[i].role == sql::ColumnRole::key) cells_[i] = outputs_[i].evaluate(in.columns, in.arena, key_rows_, errors);
  }
  if (!plan_->partition_by.empty() && !errors.empty())  // a key that cannot be computed excludes its row
    std::erase_if(results_, [&](const ResultOut& r) { return std::any_of(errors.begin(), errors.end(), [&](auto& e) { return e.row == r.row; }); });
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    if (plan_->outputs[i].role != sql::ColumnRole::key) cells_[i] = outputs_[i].evaluate(in.columns, in.arena, value_rows_, errors);
  }
}

Result<void> Pipeline::scan(const std::optional<std::string>& key, const std::function<bool(const StateRows&)>& visit) {
  if (!grouping_ && !table_) return fail(Code::unsupported, "the query keeps no rows to look up");
  constexpr std::uint32_t rows_at_once = 4096;
  Chunk rows;
  if (grouping_) grouping_->make_columns(rows);
  else make_like(input_, rows);
  ErrorLog ignored;
  auto& filter = grouping_ ? having_ : where_;
  int start_column = grouping_ ? static_cast<int>(rows.columns.size()) - 2 : static_cast<int>(pseudo_column(plan_->source, sql::Pseudo::windowstart));
  bool more = true;
  auto flush = [&] {
    rows.select_all();
    std::vector<std::uint32_t> kept = rows.selection;
    if (filter) keep_true(filter->evaluate(rows.columns, rows.arena, rows.selection, ignored), rows.selection, kept);
    std::vector<Operand> cells;
    for (auto& output : outputs_) cells.push_back(output.evaluate(rows.columns, rows.arena, kept, ignored));
    if (!kept.empty()) more = visit({cells, rows, kept, windowed_state() ? start_column : -1});
    rows.clear();
  };
  auto add = [&](std::uint32_t number) {
    if (grouping_) return grouping_->append_state(number, rows);
    table_->append_row(number, rows);
    rows.ops.push_back(RowOp::insert);
    rows.origins.push_back({});
    rows.origins.back().timestamp_ms = rows.columns[pseudo_column(plan_->source, sql::Pseudo::rowtime)].whole.back();
  };
  auto end = grouping_ ? grouping_->end() : table_->end();
  if (key) {
    auto number = grouping_ ? grouping_->find(*key) : table_->find(*key);
    if (number != KeyTable::none) add(number);
  } else {
    for (std::uint32_t number = 0; more && number < end; ++number) {
      if (!(grouping_ ? grouping_->live(number) : table_->live(number))) continue;
      add(number);
      if (rows.rows() == rows_at_once) flush();
    }
  }
  if (more) flush();
  return {};
}

namespace {

bool literal_below(const sql::Expr& expr, std::int64_t bound) {
  if (expr.op != sql::ExprOp::literal) return false;
  if (auto* number = std::get_if<std::int64_t>(&expr.value.data)) return *number < bound;
  auto* text = std::get_if<std::string>(&expr.value.data);
  return text && static_cast<std::int64_t>(text->size()) < bound;
}

bool makes_much(const sql::ExprPtr& expr) {
  if (!expr) return false;
  bool pads = expr->op == sql::ExprOp::call && (expr->function == "LPAD" || expr->function == "RPAD");
  if (pads && !literal_below(*expr->args[1], 1024)) return true;
  if (expr->op == sql::ExprOp::call && expr->function == "REPLACE" && !literal_below(*expr->args[2], 64)) return true;
  return std::any_of(expr->args.begin(), expr->args.end(), makes_much);
}

}  // namespace

std::size_t Pipeline::rows_at_once(std::size_t wanted) const {
  constexpr std::size_t careful_rows = 64;
  bool much = makes_much(plan_->where) || makes_much(plan_->having);
  for (auto& output : plan_->outputs) much |= makes_much(output.expr);
  for (auto& expr : plan_->group_by) much |= makes_much(expr);
  for (auto& expr : plan_->partition_by) much |= makes_much(expr);
  for (auto& aggregate : plan_->aggregates) much |= makes_much(aggregate.argument);
  return much ? std::min(wanted, careful_rows) : wanted;
}

std::size_t Pipeline::state_bytes() const { return (grouping_ ? grouping_->bytes() : 0) + (table_ ? table_->bytes() : 0); }

void Pipeline::write_state(ByteWriter& out) const {
  out.u8(static_cast<std::uint8_t>((grouping_ ? 1 : 0) | (table_ ? 2 : 0)));
  if (grouping_) grouping_->write(out);
  if (table_) table_->write(out);
}

bool Pipeline::read_state(ByteReader& in) {
  if (in.u8() != ((grouping_ ? 1 : 0) | (table_ ? 2 : 0))) return false;
  return (!grouping_ || grouping_->read(in)) && (!table_ || table_->read(in)) && in.remaining() == 0;
}

}  // namespace tidemill::flow
