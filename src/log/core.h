// LogCore: the one assigner (D4). Takes appends, judges them, assigns offsets, writes groups, seals files, publishes to the View.
//
// Single-threaded and without a thread of its own: EmbeddedLog runs it on one, the simulation steps it by hand. It blocks in
// write and sync. One group write at a time; what arrives meanwhile waits in the queue and becomes the next group.
//
// Always true:
//   - an append is answered `synced` only after a sync that began after its group was written
//   - after a failed write or sync nothing is written or acknowledged any more (fatal())
//   - a group is written only where the file's zeros already are, with room left behind it for the file's seal, so that
//     a full disk is met when the next file is made and never here
//   - nothing is appended before the group that starts this run is on disk; a full disk may keep even that waiting
#pragma once

#include <atomic>
#include <deque>
#include <optional>
#include <unordered_map>

#include "log/counters.h"
#include "log/journal_files.h"
#include "log/log.h"
#include "log/recovery.h"
#include "log/view.h"
#include "log/watches.h"
#include "world/clock.h"

namespace tidemill::log {

class Keeper;

struct CoreOptions {
  std::string dir;
  std::uint64_t journal_file_bytes = 64u << 20;
  std::uint64_t group_bytes_max = 4u << 20;
  std::uint64_t batch_bytes_max = 64u << 20;
  // A file that holds anything is closed when it is so old, full or not: what it holds cannot be sorted, nor lose its bytes, before.
  std::int64_t roll_after_ms = 6 * 3600 * 1000;
  // At the end of each file: producers silent for so long are forgotten when there are more than `producers_min`, the longest
  // silent ones in any case above `producers_max`.
  std::int64_t producer_forget_ms = 24 * 3600 * 1000;
  std::size_t producers_min = 10'000;
  std::size_t producers_max = 250'000;
  Flaw flaw = Flaw::none;
};

class LogCore {
 public:
  // Recovers, makes the new incarnation durable, and publishes. The references must outlive the core.
  static Result<std::unique_ptr<LogCore>> open(world::Disk& disk, world::Clock& clock, CoreOptions options, SealedFiles& sealed_files,
                                               View& view, SpareMaker& spare_maker, Keeper& keeper, Watches& watches);

  void submit(Append append, AppendDone done);
  // Does one round of work; true when there may be more at once.
  bool pump();
  // When pump() wants to run although nothing arrives; nullopt: never.
  std::optional<std::int64_t> next_wakeup_ns() const;
  // Writes what is queued, marks it durable, and answers the rest with Code::unavailable.
  void stop();

  std::uint64_t queued_bytes() const { return queued_bytes_; }
  const std::optional<Error>& fatal() const { return fatal_; }
  // Why data appends are refused now, if they are.
  std::optional<Error> refusing() const;
  // False while a full disk keeps the group that starts this run from being written: this incarnation may be used again.
  bool run_started() const { return !start_owed_; }
  Incarnation incarnation() const { return incarnation_; }
  const RecoveryReport& recovery() const { return report_; }
  const CounterCells& counters() const { return counters_; }

 private:
  struct Waiting {
    Append append;
    AppendDone done;
    std::vector<record::BatchHeader> headers;
    std::uint64_t bytes = 0;  // in a group: table rows and batches
  };
  struct Answer {
    AppendDone done;
    Appended appended;
    Durability durability;
  };
  // A group in the making.
  struct Round {
    std::int64_t time_ms = 0;
    std::uint16_t flags = 0;
    std::uint64_t bytes = group_header_bytes;
    std::vector<EntryRow> entries;
    std::vector<Slice> batches;
    std::vector<Mark> marks;
    std::vector<BatchRow> rows;
    std::vector<Answer> answers;
    bool sync = false;
    bool empty() const { return entries.empty() && marks.empty(); }
    std::size_t table_rows() const { return entries.size() + marks.size(); }
  };
  enum class Room { yes, later, full };

  LogCore(world::Disk& disk, world::Clock& clock, CoreOptions options, SealedFiles& sealed_files, View& view, SpareMaker& spare_maker,
          Watches& watches);
  Result<void> start(Keeper& keeper);
  Result<void> remove_unfinished();
  Result<void> rewrite_seal(const Footer& seal);
  Result<void> sync_recovered(const Recovered& recovered);
  Result<void> start_run();
  Result<bool> make_room_to_start();
  Result<void> make_file();
  Result<void> write_start();
  Result<void> wipe_tail();

  // core.cc: from the queue to the disk
  Round gather();
  Waiting pop();
  Result<void> check_streams(const Append& append) const;
  void take(Round& round, Waiting waiting);
  void write(Round round);
  void write_group(Round& round);
  void sync();
  void publish();
  void cover(std::uint16_t flags = 0);
  void answer(std::vector<Answer>& answers, Durability durability);
  void die(Error error);
  Offset end_of(StreamId stream) const;

  // core_room.cc: where it goes
  Room room_for(const Round& round, const Waiting& waiting);
  bool fits(std::uint64_t position, std::uint64_t file_bytes, bool fresh, std::uint64_t group, std::uint64_t entries, std::uint64_t reserve) const;
  bool fits_open(std::uint64_t group, std::uint64_t entries, std::uint64_t reserve) const;
  bool fits_spare(const PreparedFile& spare, std::uint64_t group, std::uint64_t entries) const;
  bool roll_for(std::uint64_t group, std::uint64_t entries);
  Room ask_for_room(std::uint64_t group, std::uint64_t entries);
  Error no_room() const;
  Error too_large_for_disk() const;
  std::uint64_t fresh_file_bytes(std::uint64_t group, std::uint64_t entries) const;
  void want_spare(std::uint64_t group, std::uint64_t entries);
  bool poll_spare();
  bool take_spare(Result<PreparedFile> made);
  bool roll();
  bool is_due_to_roll(std::int64_t now_ns) const;
  bool seal_open_file(Footer& footer);
  Result<void> write_seal(const Footer& footer, std::string pages);

  world::Disk& disk_;
  world::Clock& clock_;
  CoreOptions options_;
  SealedFiles& sealed_files_;
  View& view_;
  SpareMaker& spare_maker_;
  Watches& watches_;
  CounterCells counters_;
  RecoveryReport report_;
  std::optional<Error> fatal_;

  std::deque<Waiting> queue_;
  std::uint64_t queued_bytes_ = 0;
  Producers producers_;
  std::unordered_map<StreamId, Offset> assigned_;  // ends ahead of the view's: written or being gathered, not yet synced
  std::unordered_set<StreamId> forgetting_;        // as are these
  std::vector<Mark> owed_marks_;                   // for the group that starts this run
  Incarnation incarnation_;
  std::int32_t leader_epoch_ = 0;
  Jsn next_{1};    // JSN of the next group
  Jsn synced_{0};  // last group on disk
  bool entries_to_cover_ = false;
  std::vector<PublishedGroup> unpublished_;  // written, not synced
  std::int64_t unsynced_since_ns_ = 0;
  std::uint64_t unsynced_bytes_ = 0;
  std::int64_t idle_since_ns_ = 0;

  std::optional<OpenFile> open_;
  Jsn open_first_jsn_{1};
  bool open_has_groups_ = false;
  std::uint64_t open_rows_ = 0;  // of its groups' tables, unpublished ones included
  std::uint64_t open_groups_ = 0;
  std::int64_t open_since_ns_ = 0;  // since it holds anything, in this run
  std::atomic<bool> start_owed_{false};  // the group that starts this run is not written yet
  std::deque<PreparedFile> spares_;  // by number; more than one only when a batch did not fit into the first
  bool spare_asked_ = false;         // one is being made
  FileHeader spare_wish_;            // what was asked for; its number is used again until it is made
  std::optional<Error> short_;       // why the last spare could not be made, while there is none
  bool refused_ = false;             // data, since then
  std::int64_t spare_retry_ns_ = 0;
  int io_failures_ = 0;              // of the last tries to make a file
  std::uint64_t larger_failed_ = 0;  // a file of this size could not be made, though there is a spare of the usual size
  std::int64_t larger_retry_ns_ = 0;
  std::uint64_t next_number_ = 1;
};

}  // namespace tidemill::log
