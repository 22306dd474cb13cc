#include "connect/postgres/snapshot_copy.h"

#include <fmt/format.h>

#include "connect/postgres/copy_text.h"

namespace tidemill::connect::postgres {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t commit_bytes = 1u << 20;
constexpr int rows_at_once = 1000;

// Nothing of the snapshot has been emitted yet.
bool untouched(const Snapshot& snapshot) {
  return snapshot.runs.size() == 1 && snapshot.runs.front().until == Cut{} && !snapshot.runs.front().torn;
}

}  // namespace

Result<std::vector<PublishedTable>> published_tables(Session& sql, const Settings& settings) {
  bool lists = sql.server_version() >= 150000;
  TRY_ASSIGN(rows, sql.query(fmt::format("SELECT p.schemaname, p.tablename, c.oid, c.relkind, {}, {} FROM pg_catalog.pg_publication_tables p "
                                         "JOIN pg_catalog.pg_namespace n ON n.nspname = p.schemaname "
                                         "JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename "
                                         "WHERE p.pubname = $1 ORDER BY p.schemaname COLLATE \"C\", p.tablename COLLATE \"C\"",
                                         lists ? "p.attnames" : "NULL", lists ? "p.rowfilter" : "NULL"), {settings.publication}));
  std::vector<PublishedTable> tables;
  for (int i = 0; i < rows.size(); ++i) {
    if (!settings.passes(rows.text(i, 0), rows.text(i, 1))) continue;
    PublishedTable one;
    one.table = {rows.text(i, 0), rows.text(i, 1), static_cast<std::uint32_t>(std::stoul(rows.text(i, 2)))};
    one.partitioned = rows.at(i, 3) == "p";
    one.columns = rows.text(i, 4);
    one.filter = rows.text(i, 5);
    tables.push_back(std::move(one));
  }
  return tables;
}

SnapshotCopy::SnapshotCopy(Session& sql, const Settings& settings, RecordSink& sink, Interrupt& interrupt, world::Clock& clock,
                           Position& position, Warn warn, Report report)
    : sql_(sql), settings_(settings), sink_(sink), interrupt_(interrupt), clock_(clock), position_(position),
      current_(position.snapshot->runs.back()), schemas_(sql, settings.types, warn), warn_(std::move(warn)), report_(std::move(report)),
      first_of_all_(untouched(*position.snapshot)) {
  origin_.op = 'r';
  origin_.lsn = current_.lsn;
}

Result<void> SnapshotCopy::run() {
  origin_.source_us = clock_.now_ms() * 1000;
  TRY_ASSIGN(published, published_tables(sql_, settings_));
  auto& tables = position_.snapshot->tables;
  progress_.tables = tables.size();
  for (auto i = current_.until.table; i < tables.size(); ++i) {
    auto found = std::find_if(published.begin(), published.end(), [&](auto& p) { return p.table.oid == tables[i].oid; });
    if (found != published.end()) TRY(copy_table(i, *found));
    else if (!held_) finish_table(i);  // dropped meanwhile
  }
  if (held_) TRY(emit_held("last"));
  finish_table(tables.size() - 1);
  position_.snapshot->complete = true;
  current_.until = {tables.size(), {}};
  report_(progress_);
  return {};
}

void SnapshotCopy::finish_table(std::size_t index) {
  current_.until = {index + 1, {}};
  current_.torn = false;
  progress_.tables_done = index + 1;
}

// A table that was truncated or rewritten (ALTER TABLE ... TYPE) since the snapshot was taken looks empty to it. From here on nobody can do
// that until we are done with it: reading nothing takes the lock that any SELECT takes.
Result<void> SnapshotCopy::hold_table(const PublishedTable& published) {
  auto name = fmt::format("{}.{}", sql_.identifier(published.table.schema), sql_.identifier(published.table.name));
  TRY(sql_.query(fmt::format("SELECT FROM {}{} LIMIT 0", published.partitioned ? "" : "ONLY ", name)));
  TRY_ASSIGN(rewritten, sql_.query(fmt::format("SELECT FROM pg_catalog.pg_class c WHERE (c.oid = $1::oid{}) AND c.relkind = 'r' "
                                               "AND pg_catalog.pg_relation_filenode(c.oid) IS DISTINCT FROM c.relfilenode LIMIT 1",
                                               published.partitioned ? " OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree($1::oid))" : ""),
                                   {std::to_string(published.table.oid)}));
  if (rewritten.size() == 0) return {};
  return fail(Code::busy, fmt::format("table {}.{} was rewritten after the snapshot was taken, and cannot be seen in it any more", published.table.schema, published.table.name),
              "a new snapshot goes on from here");
}

Result<void> SnapshotCopy::copy_table(std::size_t index, const PublishedTable& published) {
  TRY(hold_table(published));
  TRY_ASSIGN(table, schemas_.table_now(published.table.oid, published.columns));
  if (!table) return {};
  auto order = std::make_unique<KeyOrder>(*table);
  auto behind = index == current_.until.table ? current_.until.key : Key();
  if (index == current_.until.table && current_.torn)
    warn_(fmt::format("table {} has no primary key to go on from: its snapshot begins again, and some rows come twice", table->full_name()));
  if (!behind.empty() && !order->usable())
    return fail(Code::invalid, fmt::format("the primary key of {} was changed while its snapshot was interrupted", table->full_name()),
                "delete the connector and create it again");
  TRY_ASSIGN(topic, sink_.topic(topic_name(settings_.format->prefix, table->schema, table->name)));
  auto sql = copy_sql(published, *table, *order, behind);
  output_ = std::make_unique<TableOutput>(std::move(table), settings_.format, sink_, *topic);
  order_ = std::move(order);
  table_ = index;
  first_of_table_ = behind.empty();
  TRY(sql_.start_copy(sql));
  return copy_rows();
}

std::string SnapshotCopy::copy_sql(const PublishedTable& published, const Table& table, const KeyOrder& order, const Key& behind) const {
  std::string columns, where;
  for (auto& column : table.columns) columns += (columns.empty() ? "" : ", ") + sql_.identifier(column.name);
  if (!published.filter.empty()) where = fmt::format(" WHERE ({})", published.filter);
  if (!behind.empty()) where += (where.empty() ? " WHERE " : " AND ") + order.behind(sql_, behind);
  return fmt::format("COPY (SELECT {} FROM {}{}.{}{}{}) TO STDOUT", columns, published.partitioned ? "" : "ONLY ", sql_.identifier(table.schema),
                     sql_.identifier(table.name), where, order.usable() ? order.order_by(sql_) : "");
}

Result<void> SnapshotCopy::copy_rows() {
  for (int i = 0;; ++i) {
    std::string_view line;
    TRY_ASSIGN(got, sql_.next(line));
    if (got == CopyStep::end) return {};
    if (got == CopyStep::row) TRY(row(line));
    if (sink_.gathered_bytes() >= commit_bytes) TRY(commit());
    if (got == CopyStep::nothing_yet && !sql_.wait(milliseconds{200}) && sink_.gathered_bytes() > 0) TRY(commit());
    if (interrupt_.stopped()) return fail(Code::cancelled, "the connector was stopped");
    if (i % rows_at_once == 0) TRY(sink_.collect());
  }
}

Result<void> SnapshotCopy::row(std::string_view line) {
  if (held_) {
    bool same_table = held_table_ == table_;
    TRY(emit_held(held_first_ ? (first_of_all_ ? "first" : "first_in_data_collection") : same_table ? "true" : "last_in_data_collection"));
    if (!same_table) finish_table(table_ - 1);
  } else if (table_ > current_.until.table) {
    finish_table(table_ - 1);  // the tables before this one had no rows
  }
  if (output_) {
    held_output_ = std::move(output_);
    held_order_ = std::move(order_);
  }
  held_ = true;
  held_table_ = table_;
  held_first_ = std::exchange(first_of_table_, false);
  line_.assign(line);
  return {};
}

Result<void> SnapshotCopy::emit_held(std::string_view marker) {
  if (line_.size() >= large_change_bytes && sink_.gathered_bytes() > 0) TRY(commit());
  held_ = false;
  split_copy_line(line_, fields_);
  origin_.snapshot = marker;
  origin_.now_ms = clock_.now_ms();
  held_output_->put(nullptr, fields_, origin_);
  first_of_all_ = false;
  ++progress_.rows;
  current_.until = {held_table_, {}};
  if (held_order_->usable()) current_.until.key = held_order_->key_of(fields_);
  else current_.torn = true;
  return {};
}

Result<void> SnapshotCopy::commit() {
  report_(progress_);
  return sink_.commit(position_text(position_), position_.resume.value);
}

}  // namespace tidemill::connect::postgres
