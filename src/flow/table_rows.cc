#include "flow/table_rows.h"

#include "base/check.h"
#include "flow/row_codec.h"

namespace tidemill::flow {

using record::Chunk;
using record::RowOp;

void TableRows::encode_key(const Chunk& in, std::size_t row) {
  key_.clear();
  for (int c : keys_) encode_cell(in.columns[static_cast<std::size_t>(c)], row, key_);
}

void TableRows::encode_row(const Chunk& in, std::size_t row) {
  row_.clear();
  for (int c : kept_) encode_cell(in.columns[static_cast<std::size_t>(c)], row, row_);
}

void TableRows::remember(std::uint32_t number) {
  if (number >= rows_.size()) rows_.resize(number + 1);
  row_bytes_ += row_.size() - rows_[number].size();
  rows_[number] = row_;
}

void TableRows::forget(std::uint32_t number) {
  row_bytes_ -= rows_[number].size();
  rows_[number] = {};
}

void TableRows::append_row(std::uint32_t number, Chunk& out) const {
  ByteReader in(rows_[number]);
  for (int c : kept_) CHECK(decode_cell(in, out.columns[static_cast<std::size_t>(c)], out.arena));
}

void TableRows::note(const Chunk& in) {
  for (std::size_t row = 0; row < in.rows(); ++row) {
    encode_key(in, row);
    if (in.ops[row] == RowOp::remove) {
      auto number = keys_table_.find(key_);
      if (number == KeyTable::none) continue;
      forget(number);
      keys_table_.erase(key_);
    } else {
      encode_row(in, row);
      remember(keys_table_.place(key_).number);
    }
  }
}

void TableRows::run(const Chunk& in, Chunk& out, bool pass_unknown) {
  auto add = [&](RowOp op, std::size_t row) {
    out.ops.push_back(op);
    out.origins.push_back(in.origins[row]);
  };
  auto copy = [&](RowOp op, std::size_t row) {
    for (int c : kept_) out.columns[static_cast<std::size_t>(c)].append_from(in.columns[static_cast<std::size_t>(c)], row);
    add(op, row);
  };
  for (std::size_t row = 0; row < in.rows(); ++row) {
    encode_key(in, row);
    auto number = keys_table_.find(key_);
    bool known = number != KeyTable::none;
    if (in.ops[row] == RowOp::remove) {
      if (!known && pass_unknown) copy(RowOp::remove, row);
      if (!known) continue;
      append_row(number, out);
      add(RowOp::remove, row);
      forget(number);
      keys_table_.erase(key_);
      continue;
    }
    if (known) {
      append_row(number, out);
      add(RowOp::update_before, row);
    }
    copy(known ? RowOp::update_after : RowOp::insert, row);
    encode_row(in, row);
    remember(known ? number : keys_table_.place(key_).number);
  }
}

// count u32, then key and row, each with its length. In the order of their numbers, so that what is read back goes on the same.
void TableRows::write(ByteWriter& out) const {
  out.le(static_cast<std::uint32_t>(keys_table_.size()));
  for (std::uint32_t n = 0; n < end(); ++n) {
    if (!live(n)) continue;
    out.le(static_cast<std::uint32_t>(keys_table_.key(n).size()));
    out.text(keys_table_.key(n));
    out.le(static_cast<std::uint32_t>(rows_[n].size()));
    out.text(rows_[n]);
  }
}

bool TableRows::read(ByteReader& in) {
  auto count = in.le<std::uint32_t>();
  for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
    key_ = in.text(in.le<std::uint32_t>());
    row_ = in.text(in.le<std::uint32_t>());
    if (in.ok()) remember(keys_table_.place(key_).number);
  }
  return in.ok();
}

}  // namespace tidemill::flow
