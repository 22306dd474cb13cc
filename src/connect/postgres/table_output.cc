#include "connect/postgres/table_output.h"

namespace tidemill::connect::postgres {

void TableOutput::allow_nulls(const Row& row) {
  auto then = std::make_shared<Table>(writer_.table());
  for (std::size_t i = 0; i < row.size() && i < then->columns.size(); ++i)
    if (row[i].presence == Presence::null) then->columns[i].optional = true;
  writer_ = EventWriter(std::move(then), format_);
}

std::optional<std::string_view> TableOutput::write_key(const Row& row) {
  if (!writer_.has_key()) return std::nullopt;
  key_.clear();
  writer_.key(key_, row);
  return key_;
}

void TableOutput::add(const Origin& origin, std::optional<std::string_view> key, std::optional<std::string_view> value, const char* header,
                      const Row* header_key) {
  if (header_key == nullptr) return sink_.add(topic_, origin.now_ms, key, value);
  header_.clear();
  writer_.key_payload(header_, *header_key);
  record::BatchBuilder::HeaderPair one[] = {{header, header_}};
  sink_.add(topic_, origin.now_ms, key, value, one);
}

void TableOutput::put(const Row* before, const Row& after, const Origin& origin, const Row* old_key) {
  value_.clear();
  if (format_->unwrap) writer_.unwrapped(value_, after, false, origin);
  else writer_.envelope(value_, before, &after, origin);
  add(origin, write_key(after), value_, "__debezium.oldkey", old_key);
}

void TableOutput::remove(const Row& before, const Origin& origin, const Row* new_key) {
  if (format_->unwrap) return remove_unwrapped(before, origin);
  value_.clear();
  writer_.envelope(value_, &before, nullptr, origin);
  auto key = write_key(before);
  add(origin, key, value_, "__debezium.newkey", new_key);
  if (format_->tombstones && key) add(origin, key, std::nullopt, "", nullptr);
}

void TableOutput::remove_unwrapped(const Row& before, const Origin& origin) {
  auto mode = format_->unwrap->on_delete;
  auto key = write_key(before);
  if (rewrites(mode)) {
    value_.clear();
    writer_.unwrapped(value_, before, true, origin);
    add(origin, key, value_, "", nullptr);
  }
  bool tombstone = mode == UnwrapDelete::delete_to_tombstone ||
                   (format_->tombstones && (mode == UnwrapDelete::tombstone || mode == UnwrapDelete::rewrite_with_tombstone));
  if (tombstone && key) add(origin, key, std::nullopt, "", nullptr);
}

void TableOutput::truncate(const Origin& origin) {
  if (format_->unwrap) return;  // a row is what it passes on, and here is none
  value_.clear();
  writer_.envelope(value_, nullptr, nullptr, origin);
  add(origin, std::nullopt, value_, "", nullptr);
}

}  // namespace tidemill::connect::postgres
