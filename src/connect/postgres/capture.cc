#include "connect/postgres/capture.h"

#include <fmt/format.h>

#include "connect/position_stream.h"
#include "connect/postgres/change_translator.h"
#include "connect/postgres/snapshot_copy.h"
#include "connect/postgres/streaming.h"

namespace tidemill::connect::postgres {
namespace {

// The name of the temporary slot that a resumed snapshot takes its view from.
std::string copy_slot_name(const std::string& slot) { return slot.substr(0, 57) + "_copy"; }

RecordSinkOptions sink_options(const Context& context, const catalog::Connector& definition, const Settings& settings) {
  RecordSinkOptions options;
  options.tenant = definition.tenant;
  options.positions = definition.positions;
  options.codec = settings.codec;
  options.in_flight_bytes_max = context.append_in_flight_bytes;
  options.partitions = settings.partitions;
  return options;
}

// What of a run is behind its beginning, which is where the run before it ended.
bool empty_run(const Snapshot& snapshot) {
  auto& last = snapshot.runs.back();
  auto begin = snapshot.runs.size() > 1 ? snapshot.runs[snapshot.runs.size() - 2].until : Cut{};
  return last.until == begin && !last.torn;
}

}  // namespace

Result<std::optional<Position>> last_position(log::Log& log, StreamId positions) {
  TRY_ASSIGN(text, last_position_text(log, positions));
  if (!text) return std::optional<Position>();
  TRY_ASSIGN(position, parse_position(*text));
  return std::optional<Position>(std::move(position));
}

Capture::Capture(const Context& context, const catalog::Connector& definition, const Settings& settings, Interrupt& interrupt, StatusBoard& board,
                 Meter& meter)
    : context_(context), definition_(definition), settings_(settings), interrupt_(interrupt), board_(board), meter_(meter) {}

Error Capture::run() {
  if (auto done = open(); !done) return std::move(done).error();
  if (auto done = find_start(); !done) return std::move(done).error();
  // Said again at every start: it goes alone, and the sink's order begins with it.
  if (auto done = write_position(); !done) return std::move(done).error();
  board_.state(State::running);
  if (auto done = snapshot(); !done) return std::move(done).error();
  if (settings_.snapshot == SnapshotMode::initial_only) {
    board_.progress({{"phase", "snapshot complete"}});
    while (!interrupt_.stopped()) interrupt_.rest(std::chrono::milliseconds{60'000});
    return fail(Code::cancelled, "the connector was stopped");
  }
  return stream();
}

Result<void> Capture::open() {
  TRY_ASSIGN(stored, last_position(context_.log, definition_.positions));
  stored_ = std::move(stored);
  TRY_ASSIGN(sql, Session::open(settings_.server, Session::Use::sql, interrupt_));
  sql_ = std::move(sql);
  TRY(prepare_server(*sql_, settings_));
  TRY_ASSIGN(replication, Session::open(settings_.server, Session::Use::replication, interrupt_));
  replication_ = std::move(replication);
  auto options = sink_options(context_, definition_, settings_);
  options.meter = &meter_;
  options.on_refused = [this](const std::string& why) { board_.progress({{"phase", "waiting for the log"}, {"waiting_for", why}}); };
  sink_ = std::make_unique<RecordSink>(context_.log, context_.catalog, context_.clock, interrupt_, std::move(options));
  return {};
}

Result<void> Capture::find_start() {
  TRY_ASSIGN(system, system_identifier(*replication_));
  if (stored_ && stored_->system != system)
    return fail(Code::invalid, fmt::format("this is another PostgreSQL than the one captured before (system {} instead of {})", system, stored_->system),
                "correct database.hostname and database.port, or delete the connector and create it again to copy the tables anew");
  TRY_ASSIGN(slot, find_slot(*sql_, settings_.slot));
  TRY(check_slot(slot, settings_, stored_));
  if (stored_) {
    position_ = *stored_;
    return {};
  }
  position_ = Position();
  position_.system = system;
  return slot ? start_on_old_slot(*slot) : start_fresh();
}

Result<void> Capture::start_fresh() {
  board_.progress({{"phase", "waiting for the slot's consistent point (running transactions must end)"}});
  TRY_ASSIGN(exported, create_slot(*replication_, settings_.slot, false));
  position_.resume = exported.lsn;
  if (settings_.snapshot == SnapshotMode::none) return {};
  TRY(plan_snapshot());
  position_.snapshot->runs.push_back({exported.lsn, {}, false});
  exported_ = exported.snapshot;
  return {};
}

// Nobody has read from it for this connector: it is where streaming begins, and the copy is seen at a later point.
Result<void> Capture::start_on_old_slot(const Slot& slot) {
  position_.resume = slot.confirmed;
  if (settings_.snapshot == SnapshotMode::none) return {};
  return plan_snapshot();
}

Result<void> Capture::plan_snapshot() {
  TRY_ASSIGN(published, published_tables(*sql_, settings_));
  position_.snapshot.emplace();
  for (auto& one : published) position_.snapshot->tables.push_back(one.table);
  if (published.empty()) warn("no table of the publication passes the filters: there is nothing to copy");
  return {};
}

Result<void> Capture::write_position() {
  TRY(sink_->commit(position_text(position_), position_.resume.value));
  return sink_->drain();
}

Result<void> Capture::snapshot() {
  if (!position_.snapshot || position_.snapshot->complete) return {};
  if (exported_.empty()) {
    TRY_ASSIGN(exported, export_again());
    TRY(begin_run(exported.lsn));
    exported_ = exported.snapshot;
  }
  TRY(copy(exported_));
  // Where streaming begins at or behind every run, no change can come twice.
  bool filter = false;
  for (auto& run : position_.snapshot->runs) filter |= run.lsn > position_.resume;
  if (!filter) position_.snapshot.reset();
  return write_position();
}

Result<Exported> Capture::export_again() {
  board_.progress({{"phase", "waiting for a consistent point to go on with the snapshot"}});
  TRY_ASSIGN(session, Session::open(settings_.server, Session::Use::replication, interrupt_));
  copy_slot_ = std::move(session);
  return create_slot(*copy_slot_, copy_slot_name(settings_.slot), true);
}

Result<void> Capture::begin_run(Lsn lsn) {
  auto& runs = position_.snapshot->runs;
  if (runs.empty()) {
    runs.push_back({lsn, {}, false});
  } else if (empty_run(*position_.snapshot)) {
    runs.back().lsn = lsn;
  } else {
    auto last = runs.back();
    runs.push_back({lsn, last.until, last.torn});
  }
  return {};
}

Result<void> Capture::copy(const std::string& exported) {
  TRY_ASSIGN(sql, Session::open(settings_.server, Session::Use::sql, interrupt_));
  TRY(sql->query("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"));
  TRY(sql->query("SET TRANSACTION SNAPSHOT " + sql->literal(exported)));
  copy_slot_.reset();
  auto report = [this](const SnapshotProgress& p) {
    board_.progress({{"phase", "snapshot"}, {"rows", std::to_string(p.rows)}, {"tables_done", std::to_string(p.tables_done)},
                     {"tables", std::to_string(p.tables)}, {"waiting_for", sink_->waiting_for()}});
  };
  SnapshotCopy copying(*sql, settings_, *sink_, interrupt_, context_.clock, position_, [this](std::string text) { warn(std::move(text)); }, report);
  TRY(copying.run());
  TRY(sql->query("COMMIT"));
  return {};
}

Error Capture::stream() {
  if (auto started = start_replication(*replication_, settings_, position_.resume); !started) return std::move(started).error();
  reached_streaming_ = true;
  auto warn_of = [this](std::string text) { warn(std::move(text)); };
  SchemaReader schemas(*sql_, settings_.types, warn_of);
  ChangeTranslator translator(settings_, schemas, *sink_, position_, warn_of);
  auto report = [this](const StreamProgress& p) {
    board_.progress({{"phase", "streaming"}, {"received_lsn", lsn_text(p.received)}, {"durable_lsn", lsn_text(p.durable)},
                     {"events", std::to_string(p.events)}, {"waiting_for", p.waiting_for}});
  };
  report({position_.resume, position_.resume, 0, {}});
  return Streaming(*replication_, translator, *sink_, interrupt_, context_.clock, report).run();
}

}  // namespace tidemill::connect::postgres
