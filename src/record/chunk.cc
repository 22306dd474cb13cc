#include "record/chunk.h"

#include <cstring>

#include "base/check.h"

namespace tidemill::record {

char* Arena::allocate(std::size_t bytes) {
  if (bytes <= static_cast<std::size_t>(end_ - at_)) {
    auto* out = at_;
    at_ += bytes;
    return out;
  }
  if (bytes > block_bytes / 4) return large_.emplace_back(std::make_unique_for_overwrite<char[]>(bytes)).get();
  if (at_) ++block_;
  if (block_ == blocks_.size()) blocks_.push_back(std::make_unique_for_overwrite<char[]>(block_bytes));
  at_ = blocks_[block_].get();
  end_ = at_ + block_bytes;
  at_ += bytes;
  return end_ - block_bytes;
}

std::string_view Arena::keep(std::string_view text) {
  if (text.empty()) return {};
  auto* to = allocate(text.size());
  std::memcpy(to, text.data(), text.size());
  return {to, text.size()};
}

void Arena::shrink(char* from, std::size_t used) {
  if (at_ && from + used <= at_ && from >= end_ - block_bytes && from < end_) at_ = from + used;
}

void Arena::clear() {
  block_ = 0;
  at_ = blocks_.empty() ? nullptr : blocks_[0].get();
  end_ = at_ ? at_ + block_bytes : nullptr;
  large_.clear();
  held_.clear();
}

Lane lane_of(Kind kind) {
  switch (kind) {
    case Kind::double_: return Lane::real;
    case Kind::decimal: return Lane::decimal;
    case Kind::string:
    case Kind::bytes: return Lane::text;
    case Kind::array: return Lane::list;
    case Kind::map: return Lane::map;
    case Kind::struct_: return Lane::structure;
    default: return Lane::whole;
  }
}

Column::Column(Type of) : type(std::move(of)), lane(lane_of(type.kind())) {
  if (lane == Lane::list) parts.emplace_back(type.element());
  if (lane == Lane::map) {
    parts.emplace_back(Kind::string);
    parts.emplace_back(type.element());
  }
  if (lane == Lane::structure)
    for (auto& field : type.fields()) parts.emplace_back(field.type);
}

void Column::truncate(std::size_t rows) {
  if (rows >= size()) return;
  valid.resize(rows);
  switch (lane) {
    case Lane::whole: whole.resize(rows); break;
    case Lane::real: real.resize(rows); break;
    case Lane::decimal: decimal.resize(rows); break;
    case Lane::text: text.resize(rows); break;
    case Lane::list:
    case Lane::map: {
      ends.resize(rows);
      for (auto& part : parts) part.truncate(rows == 0 ? 0 : ends[rows - 1]);
      break;
    }
    case Lane::structure:
      for (auto& part : parts) part.truncate(rows);
  }
}

void Column::resize(std::size_t rows) {
  if (rows <= size()) return truncate(rows);
  valid.resize(rows, 0);
  switch (lane) {
    case Lane::whole: whole.resize(rows); break;
    case Lane::real: real.resize(rows); break;
    case Lane::decimal: decimal.resize(rows); break;
    case Lane::text: text.resize(rows); break;
    case Lane::list:
    case Lane::map: ends.resize(rows, ends.empty() ? 0 : ends.back()); break;
    case Lane::structure:
      for (auto& part : parts) part.resize(rows);
  }
}

void Column::append_null() {
  valid.push_back(0);
  switch (lane) {
    case Lane::whole: whole.push_back(0); break;
    case Lane::real: real.push_back(0); break;
    case Lane::decimal: decimal.push_back(0); break;
    case Lane::text: text.emplace_back(); break;
    case Lane::list:
    case Lane::map: ends.push_back(begin_of(ends.size())); break;
    case Lane::structure:
      for (auto& part : parts) part.append_null();
  }
}

void Column::append(const Value& value, Arena& arena) {
  if (value.null()) return append_null();
  switch (lane) {
    case Lane::whole:
      return append_whole(type.kind() == Kind::boolean ? std::int64_t{std::get<bool>(value.data)} : std::get<std::int64_t>(value.data));
    case Lane::real: return append_real(std::get<double>(value.data));
    case Lane::decimal: return append_decimal(std::get<Decimal>(value.data).unscaled);
    case Lane::text: return append_text(arena.keep(std::get<std::string>(value.data)));
    case Lane::list:
      for (auto& item : *std::get<std::shared_ptr<const ValueList>>(value.data)) parts[0].append(item, arena);
      ends.push_back(static_cast<std::uint32_t>(parts[0].size()));
      break;
    case Lane::map:
      for (auto& [key, item] : std::get<std::shared_ptr<const ValueMap>>(value.data)->entries) {
        parts[0].append_text(arena.keep(key));
        parts[1].append(item, arena);
      }
      ends.push_back(static_cast<std::uint32_t>(parts[0].size()));
      break;
    case Lane::structure: {
      auto& items = *std::get<std::shared_ptr<const ValueList>>(value.data);
      CHECK(items.size() == parts.size());
      for (std::size_t i = 0; i < parts.size(); ++i) parts[i].append(items[i], arena);
    }
  }
  valid.push_back(1);
}

void Column::append_from(const Column& other, std::size_t row) {
  if (other.null(row)) return append_null();
  switch (lane) {
    case Lane::whole: return append_whole(other.whole[row]);
    case Lane::real: return append_real(other.real[row]);
    case Lane::decimal: return append_decimal(other.decimal[row]);
    case Lane::text: return append_text(other.text[row]);
    case Lane::list:
    case Lane::map:
      for (auto item = other.begin_of(row); item < other.ends[row]; ++item)
        for (std::size_t p = 0; p < parts.size(); ++p) parts[p].append_from(other.parts[p], item);
      ends.push_back(static_cast<std::uint32_t>(parts[0].size()));
      break;
    case Lane::structure:
      for (std::size_t p = 0; p < parts.size(); ++p) parts[p].append_from(other.parts[p], row);
  }
  valid.push_back(1);
}

Value Column::value(std::size_t row) const {
  if (null(row)) return {};
  switch (lane) {
    case Lane::whole: return type.kind() == Kind::boolean ? Value(whole[row] != 0) : Value(whole[row]);
    case Lane::real: return real[row];
    case Lane::decimal: return Decimal{decimal[row]};
    case Lane::text: return std::string(text[row]);
    case Lane::list: {
      auto list = std::make_shared<ValueList>();
      for (auto item = begin_of(row); item < ends[row]; ++item) list->push_back(parts[0].value(item));
      return std::shared_ptr<const ValueList>(std::move(list));
    }
    case Lane::map: {
      auto map = std::make_shared<ValueMap>();
      for (auto item = begin_of(row); item < ends[row]; ++item)
        map->entries.emplace_back(std::string(parts[0].text[item]), parts[1].value(item));
      return std::shared_ptr<const ValueMap>(std::move(map));
    }
    case Lane::structure: break;
  }
  auto list = std::make_shared<ValueList>();
  for (auto& part : parts) list->push_back(part.value(row));
  return std::shared_ptr<const ValueList>(std::move(list));
}

void Chunk::clear() {
  truncate(0);
  arena.clear();
}

void Chunk::truncate(std::size_t rows) {
  for (auto& column : columns) column.truncate(rows);
  ops.resize(std::min(rows, ops.size()));
  origins.resize(std::min(rows, origins.size()));
  selection.clear();
}

void Chunk::select_all() {
  selection.resize(rows());
  for (std::size_t i = 0; i < selection.size(); ++i) selection[i] = static_cast<std::uint32_t>(i);
}

}  // namespace tidemill::record
