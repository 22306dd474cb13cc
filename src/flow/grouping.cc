#include "flow/grouping.h"

#include <algorithm>

#include "base/check.h"
#include "flow/row_codec.h"
#include "flow/window_end.h"

namespace tidemill::flow {

using record::Chunk;
using record::RowOp;

Grouping::Grouping(const sql::QueryPlan& plan) : window_(plan.window) {
  for (auto& expr : plan.group_by) {
    key_types_.push_back(expr->type);
    key_exprs_.emplace_back(expr);
  }
  for (auto& aggregate : plan.aggregates) {
    rules_.emplace_back(aggregate);
    result_types_.push_back(aggregate.type);
    if (aggregate.argument) arguments_.emplace_back(std::in_place, aggregate.argument);
    else arguments_.emplace_back();
  }
  key_cells_.resize(key_exprs_.size());
  argument_cells_.resize(arguments_.size());
  make_columns(out_);
}

bool Grouping::undoable() const {
  return std::all_of(rules_.begin(), rules_.end(), [](auto& rule) { return rule.can_undo(); });
}

void Grouping::make_columns(Chunk& out) const {
  out.columns.clear();
  for (auto& type : key_types_) out.columns.emplace_back(type);
  for (auto& type : result_types_) out.columns.emplace_back(type);
  out.columns.emplace_back(record::Kind::bigint);
  out.columns.emplace_back(record::Kind::bigint);
}

void Grouping::evaluate(const Chunk& in, record::Arena& arena, Rows selected, ErrorLog& errors) {
  for (std::size_t i = 0; i < key_exprs_.size(); ++i) key_cells_[i] = key_exprs_[i].evaluate(in.columns, arena, selected, errors);
  for (std::size_t i = 0; i < arguments_.size(); ++i)
    argument_cells_[i] = arguments_[i] ? arguments_[i]->evaluate(in.columns, arena, selected, errors) : Operand{};
}

Result<void> Grouping::run(const Chunk& in, record::Arena& arena, Rows selected, ErrorLog& errors) {
  out_.clear();
  groups_of_rows_.clear();
  expire();
  evaluate(in, arena, selected, errors);
  encode_keys(in, selected);
  for (std::size_t i = 0; i < selected.size(); ++i) {
    auto row = selected[i];
    expect(i);
    if (in.ops[row] == RowOp::no_value) continue;
    auto group = place(in, selected, i);
    if (group == no_group) continue;
    TRY(apply(in, row, group));
    bool pair = in.ops[row] == RowOp::update_before && i + 1 < selected.size() && selected[i + 1] == row + 1 && in.ops[row + 1] == RowOp::update_after;
    if (!pair) { emit(in, row, group); continue; }
    auto after = place(in, selected, i + 1);  // the old group's row comes first, unless it is the same group
    if (after != group) emit(in, row, group);
    ++i;
    if (after == no_group) continue;
    TRY(apply(in, row + 1, after));
    emit(in, row + 1, after);
  }
  return {};
}

// The keys of all rows before any is looked up, so that the table can be asked ahead.
void Grouping::encode_keys(const Chunk& in, Rows selected) {
  key_bytes_.clear();
  row_keys_.assign(selected.size(), {});
  for (std::size_t i = 0; i < selected.size(); ++i) {
    auto row = selected[i];
    auto& key = row_keys_[i];
    key.begin = static_cast<std::uint32_t>(key_bytes_.size());
    for (auto& cell : key_cells_) {
      key.null |= cell.null(row);
      if (!key.null) encode_cell(*cell.column, cell.at(row), key_bytes_);
    }
    if (window_) {
      auto start = window_start(in.origins[row].timestamp_ms);
      key_bytes_.append(reinterpret_cast<const char*>(&start), sizeof start);
    }
    key.size = static_cast<std::uint32_t>(key_bytes_.size()) - key.begin;
    key.hash = KeyTable::hash_of(std::string_view(key_bytes_).substr(key.begin, key.size));
  }
}

// What the rows after the i-th will touch.
void Grouping::expect(std::size_t i) const {
  constexpr std::size_t slot_ahead = 16, key_ahead = 8;
  if (i + slot_ahead < row_keys_.size()) keys_.expect(row_keys_[i + slot_ahead].hash);
  if (i + key_ahead >= row_keys_.size()) return;
  auto group = keys_.expect_key(row_keys_[i + key_ahead].hash);
  if (group != KeyTable::none && !rules_.empty()) __builtin_prefetch(&accumulators_[group * rules_.size()]);
}

std::int64_t Grouping::window_start(std::int64_t time_ms) const { return time_ms - time_ms % window_->size_ms; }

// The group of the i-th selected row; none when a part of its key is NULL or its window is closed.
std::uint32_t Grouping::place(const Chunk& in, Rows selected, std::size_t i) {
  auto& key = row_keys_[i];
  if (key.null) return no_group;
  std::int64_t start = 0;
  if (window_) {
    auto time = in.origins[selected[i]].timestamp_ms;
    stream_time_ms_ = std::max(stream_time_ms_, time);
    start = window_start(time);
    if (stream_time_ms_ - start >= window_->size_ms + window_->grace_ms) {  // so written, no time overflows
      ++late_rows_;
      return no_group;
    }
  }
  auto [number, fresh] = keys_.place(std::string_view(key_bytes_).substr(key.begin, key.size), key.hash);
  return add_group(fresh, number, start);
}

std::uint32_t Grouping::add_group(bool fresh, std::uint32_t number, std::int64_t window_start) {
  if (!fresh) return number;
  if (window_) windows_[window_start].push_back(number);
  if (number < state_.size()) {  // an expired group left its place
    state_[number] = {-1, window_start, false};
    return number;
  }
  CHECK(number == state_.size(), "{} {}", number, state_.size());
  state_.push_back({-1, window_start, false});
  accumulators_.resize(accumulators_.size() + rules_.size());
  return number;
}

void Grouping::expire() {
  if (!window_) return;
  constexpr std::int64_t retention_least_ms = 86'400'000;
  auto retention = std::max(window_->retention_ms > 0 ? window_->retention_ms : retention_least_ms, window_->size_ms + window_->grace_ms);
  while (!windows_.empty() && stream_time_ms_ - windows_.begin()->first >= retention) {
    for (auto group : windows_.begin()->second) {
      for (std::size_t i = 0; i < rules_.size(); ++i) {
        auto& old = accumulators_[group * rules_.size() + i];
        text_bytes_ -= old.text.size();
        old = {};
      }
      keys_.erase(keys_.key(group));
    }
    windows_.erase(windows_.begin());
  }
}

Result<void> Grouping::apply(const Chunk& in, std::uint32_t row, std::uint32_t group) {
  bool undo = in.ops[row] == RowOp::update_before || in.ops[row] == RowOp::remove;
  auto* accumulators = accumulators_.data() + group * rules_.size();
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    auto text_before = accumulators[i].text.size();
    TRY(rules_[i].apply(accumulators[i], argument_cells_[i], row, undo));
    text_bytes_ += accumulators[i].text.size() - text_before;
  }
  state_[group].timestamp_ms = std::max(state_[group].timestamp_ms, in.origins[row].timestamp_ms);
  return {};
}

void Grouping::append_aggregates(std::uint32_t group, Chunk& out) const {
  auto* accumulators = accumulators_.data() + group * rules_.size();
  for (std::size_t i = 0; i < rules_.size(); ++i) rules_[i].append_result(accumulators[i], out.columns[key_types_.size() + i], out.arena);
  auto& start = out.columns[out.columns.size() - 2];
  auto& end = out.columns[out.columns.size() - 1];
  if (window_) {
    start.append_whole(state_[group].window_start_ms);
    end.append_whole(window_end(state_[group].window_start_ms, window_->size_ms));
  } else {
    start.append_null();
    end.append_null();
  }
}

void Grouping::emit(const Chunk& in, std::uint32_t row, std::uint32_t group) {
  for (std::size_t i = 0; i < key_cells_.size(); ++i) out_.columns[i].append_from(*key_cells_[i].column, key_cells_[i].at(row));
  append_aggregates(group, out_);
  out_.ops.push_back(RowOp::insert);
  out_.origins.push_back(in.origins[row]);
  out_.origins.back().timestamp_ms = state_[group].timestamp_ms;
  groups_of_rows_.push_back(group);
}

void Grouping::append_state(std::uint32_t group, Chunk& out) const {
  ByteReader in(keys_.key(group));
  for (std::size_t i = 0; i < key_types_.size(); ++i) CHECK(decode_cell(in, out.columns[i], out.arena));
  append_aggregates(group, out);
  out.ops.push_back(RowOp::insert);
  out.origins.push_back({});
  out.origins.back().timestamp_ms = state_[group].timestamp_ms;
}

std::size_t Grouping::bytes() const {
  return keys_.bytes() + state_.size() * sizeof(State) + accumulators_.size() * sizeof(Accumulator) + text_bytes_;
}

void Grouping::write(ByteWriter& out) const {
  out.le(stream_time_ms_);
  out.le(late_rows_);
  out.le(static_cast<std::uint32_t>(rules_.size()));
  out.le(static_cast<std::uint32_t>(keys_.size()));
  for (std::uint32_t group = 0; group < keys_.end(); ++group) {
    if (!keys_.live(group)) continue;
    out.le(static_cast<std::uint32_t>(keys_.key(group).size()));
    out.text(keys_.key(group));
    out.le(state_[group].timestamp_ms);
    out.le(state_[group].window_start_ms);
    out.u8(state_[group].passed);
    for (std::size_t i = 0; i < rules_.size(); ++i) rules_[i].write(accumulators_[group * rules_.size() + i], out);
  }
}

bool Grouping::read(ByteReader& in) {
  stream_time_ms_ = in.le<std::int64_t>();
  late_rows_ = in.le<std::uint64_t>();
  if (in.le<std::uint32_t>() != rules_.size()) return false;
  auto count = in.le<std::uint32_t>();
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    key_ = in.text(in.le<std::uint32_t>());
    auto [number, fresh] = keys_.place(key_);
    if (!in.ok() || !fresh) return false;
    auto timestamp = in.le<std::int64_t>();
    add_group(fresh, number, in.le<std::int64_t>());
    state_[number].timestamp_ms = timestamp;
    state_[number].passed = in.u8() != 0;
    for (std::size_t r = 0; r < rules_.size(); ++r) {
      auto& accumulator = accumulators_[number * rules_.size() + r];
      rules_[r].read(accumulator, in);
      text_bytes_ += accumulator.text.size();
    }
  }
  return in.ok();
}

}  // namespace tidemill::flow
