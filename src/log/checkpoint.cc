#include "log/checkpoint.h"

#include <algorithm>
#include <map>

#include "base/check.h"

namespace tidemill::log {
namespace {

constexpr std::size_t streams_table = 0, producers_table = 1;
constexpr std::size_t rows_per_step = 16'384;

}  // namespace

std::string checkpoint_path(const std::string& dir) { return segments_folder(dir) + "/checkpoint"; }

CheckpointFacts facts_of(const TableReader& reader) {
  return {reader.fact(0), Jsn{reader.fact(1)}, Incarnation{reader.fact(2)}, static_cast<std::int32_t>(reader.fact(3)),
          reader.header().tables[streams_table].rows};
}

CheckpointMaker::CheckpointMaker(world::Disk& disk, std::string dir, SealedFiles& files, std::vector<Footer> sealed, std::uint64_t salt,
                                 ProducerLimits limits)
    : disk_(disk), dir_(std::move(dir)), files_(files), sealed_(std::move(sealed)), salt_(salt), limits_(limits) {
  CHECK(!sealed_.empty());
}

CheckpointMaker::~CheckpointMaker() {
  if (writer_ && !done_) writer_->abandon();
}

Result<bool> CheckpointMaker::step() {
  if (stage_ == Stage::begin) {
    TRY(begin());
    stage_ = Stage::streams;
    return false;
  }
  if (stage_ == Stage::streams) {
    TRY_ASSIGN(done, merge_streams());
    if (done) stage_ = Stage::producers;
    return false;
  }
  if (stage_ == Stage::producers) {
    TRY(merge_producers());
    stage_ = Stage::finish;
    return false;
  }
  TRY_ASSIGN(done, writer_->finish());
  done_ = done;
  return done;
}

Result<void> CheckpointMaker::begin() {
  auto old = TableReader::open(disk_, checkpoint_path(dir_));
  if (!old && old.error().code != Code::not_found) return old.error();
  if (old) {
    facts_ = facts_of(*old);
    old_ = std::move(*old);
    old_streams_.emplace(*old_, streams_table);
  }
  CHECK(facts_.journal_file < sealed_.front().number, "{} is covered already", sealed_.front().number);
  for (auto& seal : sealed_) {
    auto current = files_.current(seal);
    facts_.journal_file = current.number;
    facts_.next = current.next_jsn;
    facts_.incarnation = std::max(facts_.incarnation, current.incarnation);
    facts_.leader_epoch = std::max(facts_.leader_epoch, current.leader_epoch);
    TRY(load(deltas_.emplace_back(DeltaCursor{current, 0, {}})));
  }
  facts_.streams = 0;
  TRY_ASSIGN(writer, TableWriter::create(disk_, checkpoint_path(dir_), TableFileKind::checkpoint, salt_));
  writer_.emplace(std::move(writer));
  return {};
}

Result<void> CheckpointMaker::load(DeltaCursor& cursor) {
  cursor.row.reset();
  if (cursor.at == cursor.seal.table(PageKind::streams).rows) return {};
  TRY_ASSIGN(row, files_.row<StreamRow>(cursor.seal, cursor.at++));
  cursor.row = row;
  return {};
}

// True at the end. The order of inputs does not matter: states are merged, whatever comes first.
Result<bool> CheckpointMaker::merge_streams() {
  for (std::size_t i = 0; i < rows_per_step; ++i) {
    const StreamRow* old = nullptr;
    if (old_streams_) {
      TRY_ASSIGN(found, old_streams_->peek());
      old = found;
    }
    std::optional<StreamId> next;
    if (old) next = old->stream;
    for (auto& delta : deltas_)
      if (delta.row) next = next ? std::min(*next, delta.row->stream) : delta.row->stream;
    if (!next) return true;
    StreamRow merged{*next, {}};
    if (old && old->stream == *next) {
      merged.state.merge(old->state);
      old_streams_->next();
    }
    for (auto& delta : deltas_)
      if (delta.row && delta.row->stream == *next) {
        merged.state.merge(delta.row->state);
        TRY(load(delta));
      }
    TRY(writer_->put(streams_table, merged));
    ++facts_.streams;
  }
  return false;
}

Result<void> CheckpointMaker::merge_producers() {
  std::map<ProducerKey, Window> windows;
  if (old_) {
    TableCursor<ProducerRow> rows(*old_, producers_table);
    for (;;) {
      TRY_ASSIGN(row, rows.peek());
      if (!row) break;
      windows[row->key].merge(row->window);
      rows.next();
    }
  }
  for (auto& delta : deltas_)
    for (std::uint64_t i = 0; i < delta.seal.table(PageKind::producers).rows; ++i) {
      TRY_ASSIGN(row, files_.row<ProducerRow>(delta.seal, i));
      windows[row.key].merge(row.window);
    }
  std::vector<ProducerRow> rows;
  rows.reserve(windows.size());
  for (auto& [key, window] : windows) rows.push_back({key, window});
  TRY(put_producers(std::move(rows)));
  writer_->fact(0, facts_.journal_file);
  writer_->fact(1, facts_.next.value);
  writer_->fact(2, facts_.incarnation.value);
  writer_->fact(3, static_cast<std::uint64_t>(facts_.leader_epoch));
  return {};
}

// Without those that have been silent for long, when there are many. Silence is counted from the newest: the clock may have jumped.
Result<void> CheckpointMaker::put_producers(std::vector<ProducerRow> rows) {
  if (rows.size() > limits_.min) {
    auto newest_first = [](auto& a, auto& b) {
      return std::pair(b.window.last_time_ms, a.key) < std::pair(a.window.last_time_ms, b.key);
    };
    std::sort(rows.begin(), rows.end(), newest_first);
    auto old = rows.front().window.last_time_ms - limits_.forget_ms;
    auto keep = static_cast<std::size_t>(std::partition_point(rows.begin(), rows.end(), [&](auto& r) { return r.window.last_time_ms >= old; }) - rows.begin());
    rows.resize(std::min(std::max(keep, limits_.min), limits_.max));
    std::sort(rows.begin(), rows.end(), [](auto& a, auto& b) { return a.key < b.key; });
  }
  for (auto& row : rows) TRY(writer_->put(producers_table, row));
  return {};
}

}  // namespace tidemill::log
