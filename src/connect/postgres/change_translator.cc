#include "connect/postgres/change_translator.h"

#include <fmt/format.h>

namespace tidemill::connect::postgres {
namespace {

bool same_text(const Row& a, const Row& b, std::size_t column) {
  if (column >= a.size() || column >= b.size()) return true;
  // A key that is stored out of line and was not touched is the same.
  if (a[column].presence == Presence::unchanged || b[column].presence == Presence::unchanged) return true;
  return a[column].presence == b[column].presence && a[column].text == b[column].text;
}

bool same_key(const Table& table, const Row& a, const Row& b) {
  for (auto column : table.key)
    if (!same_text(a, b, column)) return false;
  return true;
}

// With the old row at hand, whole or its key, what the server did not send again is known.
void complete(Row& row, const Row& old_row) {
  for (std::size_t i = 0; i < row.size() && i < old_row.size(); ++i)
    if (row[i].presence == Presence::unchanged && old_row[i].presence == Presence::text) row[i] = old_row[i];
}

}  // namespace

ChangeTranslator::ChangeTranslator(const Settings& settings, SchemaReader& schemas, RecordSink& sink, Position start, Warn warn)
    : settings_(settings), schemas_(schemas), sink_(sink), warn_(std::move(warn)), position_(start), start_(std::move(start)) {
  if (position_.snapshot) filter_ = std::make_unique<SnapshotFilter>(*position_.snapshot);
  if (position_.commit != Lsn()) last_commit_ = position_.commit;
}

void ChangeTranslator::advance(Lsn lsn) {
  if (lsn > position_.resume) position_.resume = lsn;
}

Result<void> ChangeTranslator::take(Message& message, Lsn lsn, std::int64_t now_ms) {
  switch (message.kind) {
    case MessageKind::begin: begin(message.begin); return {};
    case MessageKind::commit: commit(message.commit); return {};
    case MessageKind::relation: return define(message.relation);
    case MessageKind::insert: case MessageKind::update: case MessageKind::remove: return change(message, lsn, now_ms);
    case MessageKind::truncate: return truncate(message.truncate, lsn, now_ms);
    case MessageKind::logical: case MessageKind::origin: case MessageKind::type: return {};
  }
  return {};
}

void ChangeTranslator::begin(const BeginMessage& begin) {
  in_transaction_ = true;
  ++transactions_;
  total_order_ = 0;
  if (filter_ && begin.commit_lsn >= filter_->open_from()) {
    filter_.reset();
    position_.snapshot.reset();
  }
  origin_.source_us = begin.commit_us;
  origin_.xid = begin.xid;
  origin_.last_commit = last_commit_;
  if (settings_.format->transaction_metadata) transaction_id_ = fmt::format("{}:{}", begin.xid, begin.commit_lsn.value);
  block_.id = transaction_id_;
  origin_.transaction = settings_.format->transaction_metadata ? &block_ : nullptr;
  commit_ = begin.commit_lsn;
  xid_ = begin.xid;
  index_ = 0;
  known_whole_ = commit_ < start_.commit || (commit_ == start_.commit && start_.whole);
}

void ChangeTranslator::commit(const CommitMessage& commit) {
  in_transaction_ = false;
  last_commit_ = commit.commit_lsn;
  advance(commit.end_lsn);
  if (known_whole_) return;
  position_.commit = commit_;
  position_.index = index_;
  position_.xid = xid_;
  position_.whole = true;
}

// Counts the change, and finds out whether the log has it already.
void ChangeTranslator::count_change() {
  ++index_;
  known_ = known_whole_ || (commit_ == start_.commit && index_ <= start_.index);
  if (known_) return;
  position_.commit = commit_;
  position_.index = index_;
  position_.xid = xid_;
  position_.whole = false;
}

Result<void> ChangeTranslator::define(const RelationMessage& message) {
  auto& relation = relations_[message.relation];
  relation = Relation();
  if (!settings_.passes(std::string(message.schema), std::string(message.table))) return {};
  TRY_ASSIGN(table, schemas_.table_of(message));
  TRY_ASSIGN(topic, sink_.topic(topic_name(settings_.format->prefix, table->schema, table->name)));
  relation.order = std::make_unique<KeyOrder>(*table);
  relation.output = std::make_unique<TableOutput>(std::move(table), settings_.format, sink_, *topic);
  return {};
}

Result<ChangeTranslator::Relation*> ChangeTranslator::relation_of(std::uint32_t oid) {
  auto found = relations_.find(oid);
  if (found == relations_.end()) return fail(Code::corrupt, fmt::format("PostgreSQL sent a change of relation {} without describing it", oid));
  auto& relation = found->second;
  if (relation.transaction != transactions_) {
    relation.transaction = transactions_;
    relation.table_order = 0;
  }
  return &relation;
}

Result<void> ChangeTranslator::change(Message& message, Lsn lsn, std::int64_t now_ms) {
  origin_.lsn = lsn;
  origin_.now_ms = now_ms;
  TRY_ASSIGN(relation, relation_of(message.change.relation));
  count_change();
  if (!relation->output) return {};
  relation->output->see(message.change.new_row);
  if (message.change.old_kind == 'O') relation->output->see(message.change.old_row);
  switch (message.kind) {
    case MessageKind::insert: insert(*relation, message.change); break;
    case MessageKind::update: update(*relation, message.change); break;
    default: remove(*relation, message.change);
  }
  warn_of_values(*relation);
  return {};
}

bool ChangeTranslator::passes(const Relation& relation, const Row& row) const {
  return !filter_ || filter_->passes(relation.output->table(), *relation.order, row, commit_);
}

bool ChangeTranslator::next_event(Relation& relation, char op) {
  if (settings_.skips(op)) return false;
  block_.total_order = ++total_order_;
  block_.table_order = ++relation.table_order;
  origin_.op = op;
  if (known_) return false;
  ++events_;
  return true;
}

void ChangeTranslator::insert(Relation& relation, ChangeMessage& change) {
  if (passes(relation, change.new_row) && next_event(relation, 'c')) relation.output->put(nullptr, change.new_row, origin_);
}

void ChangeTranslator::update(Relation& relation, ChangeMessage& change) {
  bool whole_old = change.old_kind == 'O';
  complete(change.new_row, change.old_row);
  if (change.old_kind != 0 && !same_key(relation.output->table(), change.old_row, change.new_row))
    return move_row(relation, change, change.old_row);
  if (passes(relation, change.new_row) && next_event(relation, 'u'))
    relation.output->put(whole_old ? &change.old_row : nullptr, change.new_row, origin_);
}

// A new key is a row that goes and a row that comes. In a resumed snapshot either may have been seen alone: the old key copied before
// this change and the new one after it, or the other way round.
void ChangeTranslator::move_row(Relation& relation, ChangeMessage& change, const Row& old_row) {
  bool goes = passes(relation, old_row), comes = passes(relation, change.new_row);
  if (goes && next_event(relation, 'd')) relation.output->remove(old_row, origin_, &change.new_row);
  if (comes && next_event(relation, 'c')) relation.output->put(nullptr, change.new_row, origin_, &old_row);
}

void ChangeTranslator::remove(Relation& relation, ChangeMessage& change) {
  if (passes(relation, change.old_row) && next_event(relation, 'd')) relation.output->remove(change.old_row, origin_);
}

Result<void> ChangeTranslator::truncate(const TruncateMessage& message, Lsn lsn, std::int64_t now_ms) {
  origin_.lsn = lsn;
  origin_.now_ms = now_ms;
  count_change();
  for (auto oid : message.relations) {
    TRY_ASSIGN(relation, relation_of(oid));
    if (relation->output) truncate(*relation);
  }
  return {};
}

void ChangeTranslator::truncate(Relation& relation) {
  // A later run of the snapshot may have copied rows that came after the truncation: it must not take them away.
  if (filter_ && !filter_->passes_whole(relation.output->table(), commit_)) {
    if (settings_.skips('t')) return;
    warn_(fmt::format("table {} was truncated while its snapshot was interrupted: the event is left out", relation.output->table().full_name()));
    return;
  }
  if (next_event(relation, 't')) relation.output->truncate(origin_);
}

void ChangeTranslator::warn_of_values(Relation& relation) {
  auto& writer = relation.output->writer();
  if (writer.unrepresentable() == relation.warned) [[likely]] return;
  if (relation.warned == 0)
    warn_(fmt::format("column {} of {} holds values that its type in events cannot hold (NaN, Infinity): they are captured as null; "
                      "decimal.handling.mode=string keeps them", writer.unrepresentable_column(), writer.table().full_name()));
  relation.warned = writer.unrepresentable();
}

}  // namespace tidemill::connect::postgres
