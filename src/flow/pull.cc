#include "flow/pull.h"

#include <algorithm>
#include <optional>

#include "flow/row_codec.h"
#include "flow/window_end.h"

namespace tidemill::flow {
namespace {

using record::Chunk;

constexpr std::size_t pull_bytes_max = 512u << 20;

std::size_t bytes_of(const ResultRow& row) {
  std::size_t out = sizeof row;
  for (auto& value : row.columns) {
    out += sizeof value;
    if (auto* text = std::get_if<std::string>(&value.data)) out += text->size();
  }
  return out;
}

// The literal that `column` must equal, when the condition is a conjunction that says so.
const sql::Expr* required_value(const sql::ExprPtr& where, int column) {
  if (!where) return nullptr;
  if (where->op == sql::ExprOp::and_) {
    if (auto* left = required_value(where->args[0], column)) return left;
    return required_value(where->args[1], column);
  }
  if (where->op != sql::ExprOp::equal) return nullptr;
  auto &a = where->args[0], &b = where->args[1];
  auto is_column = [&](const sql::ExprPtr& e) { return e->op == sql::ExprOp::column && e->index == column; };
  if (is_column(a) && b->op == sql::ExprOp::literal) return b.get();
  if (is_column(b) && a->op == sql::ExprOp::literal) return a.get();
  return nullptr;
}

int column_named(const sql::Source& source, std::string_view name) {
  for (std::size_t i = 0; i < source.columns.size(); ++i)
    if (source.columns[i].name == name) return static_cast<int>(i);
  return -1;
}

int output_named(const sql::QueryPlan& plan, std::string_view name) {
  for (std::size_t i = 0; i < plan.outputs.size(); ++i)
    if (plan.outputs[i].name == name) return static_cast<int>(i);
  return -1;
}

// The state key that WHERE asks for; nothing when it takes a scan.
std::optional<std::string> wanted_key(const Pipeline& state, const sql::QueryPlan& made_by, const sql::QueryPlan& plan) {
  if (state.lookup_outputs().empty() || state.windowed_state()) return std::nullopt;
  std::string key;
  for (int output : state.lookup_outputs()) {
    auto& made = made_by.outputs[static_cast<std::size_t>(output)];
    auto column = column_named(plan.source, made.name);
    auto* value = column < 0 ? nullptr : required_value(plan.where, column);
    if (!value || value->value.null() || !(value->type == made.type)) return std::nullopt;
    record::Arena arena;
    record::Column cell(made.type);
    cell.append(value->value, arena);
    encode_cell(cell, 0, key);
  }
  return key;
}

// Rows as the table's columns and the pseudo columns.
struct TableView {
  explicit TableView(const sql::QueryPlan& made_by, const sql::QueryPlan& plan) {
    for (auto& column : plan.source.columns) {
      rows.columns.emplace_back(column.type);
      from.push_back(output_named(made_by, column.name));
    }
    for (int i = 0; i < sql::pseudo_count; ++i)
      rows.columns.emplace_back(static_cast<sql::Pseudo>(i) == sql::Pseudo::rowpartition ? record::Kind::integer : record::Kind::bigint);
    window_ms = made_by.window ? made_by.window->size_ms : made_by.source.window ? made_by.source.window->size_ms : 0;
  }

  void fill(const Pipeline::StateRows& state) {
    rows.clear();
    for (auto row : state.rows) {
      for (std::size_t i = 0; i < from.size(); ++i) {
        auto* cell = from[i] < 0 ? nullptr : &state.cells[static_cast<std::size_t>(from[i])];
        if (cell) rows.columns[i].append_from(*cell->column, cell->at(row));
        else rows.columns[i].append_null();
      }
      auto* pseudo = &rows.columns[from.size()];
      pseudo[0].append_whole(state.chunk.origins[row].timestamp_ms);
      pseudo[1].append_null();
      pseudo[2].append_null();
      if (state.window_start_column < 0) {
        pseudo[3].append_null();
        pseudo[4].append_null();
      } else {
        auto start = state.chunk.columns[static_cast<std::size_t>(state.window_start_column)].whole[row];
        pseudo[3].append_whole(start);
        pseudo[4].append_whole(window_end(start, window_ms));
      }
      rows.ops.push_back(record::RowOp::insert);
      rows.origins.push_back({});
    }
    rows.select_all();
  }

  Chunk rows;
  std::vector<int> from;  // the output that makes each column
  std::int64_t window_ms = 0;
};

}  // namespace

Result<std::vector<ResultRow>> answer_pull(Pipeline& state, const sql::QueryPlan& made_by, const sql::QueryPlan& plan) {
  std::vector<ResultRow> out;
  std::optional<Expression> where;
  if (plan.where) where.emplace(plan.where);
  std::vector<Expression> outputs;
  for (auto& output : plan.outputs) outputs.emplace_back(output.expr);
  TableView view(made_by, plan);
  std::size_t wanted = plan.limit ? static_cast<std::size_t>(std::max<std::int64_t>(0, *plan.limit)) : SIZE_MAX, bytes = 0;
  auto visit = [&](const Pipeline::StateRows& rows) {
    if (out.size() >= wanted) return false;
    view.fill(rows);
    ErrorLog ignored;
    std::vector<std::uint32_t> kept = view.rows.selection;
    if (where) keep_true(where->evaluate(view.rows.columns, view.rows.arena, view.rows.selection, ignored), view.rows.selection, kept);
    if (kept.size() > wanted - out.size()) kept.resize(wanted - out.size());
    std::vector<Operand> cells;
    for (auto& output : outputs) cells.push_back(output.evaluate(view.rows.columns, view.rows.arena, kept, ignored));
    for (auto row : kept) {
      ResultRow result;
      for (auto& cell : cells) result.columns.push_back(cell.column->value(cell.at(row)));
      bytes += bytes_of(result);
      out.push_back(std::move(result));
    }
    return out.size() < wanted && bytes <= pull_bytes_max;
  };
  TRY(state.scan(wanted_key(state, made_by, plan), visit));
  if (bytes > pull_bytes_max) return fail(Code::too_large, "the answer takes more than 512 MiB", "add a WHERE or a LIMIT");
  return out;
}

void take_results(const Pipeline& pipeline, std::vector<ResultRow>& out) {
  auto& plan = pipeline.plan();
  auto cells = pipeline.cells();
  for (auto& result : pipeline.results()) {
    ResultRow row;
    row.tombstone = result.tombstone && plan.result == sql::SourceKind::table;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (result.tombstone && plan.outputs[i].role != sql::ColumnRole::key) row.columns.emplace_back();
      else row.columns.push_back(cells[i].column->value(cells[i].at(result.row)));
    }
    out.push_back(std::move(row));
  }
}

}  // namespace tidemill::flow
