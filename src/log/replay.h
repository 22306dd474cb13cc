// Replay: reads one journal file's groups into the state of the log, and judges what does not fit (the rules of recovery.h).
#pragma once

#include "log/recovery.h"
#include "log/scan.h"

namespace tidemill::log {

struct FileReplay {
  OpenRows rows;
  std::uint64_t end = block_bytes;  // behind the last accepted group
  bool end_known = true;            // false: durable groups are missing at the end, nobody knows how far they reach
  Jsn first_jsn;
};

class Replay {
 public:
  Replay(Recovered& state, Flaw flaw) : state_(state), flaw_(flaw), durable_(state.next - 1), last_(state.incarnation) {}

  // `next_known`: the first JSN of the file behind this one, if there is one; then everything here is durable.
  FileReplay read(FileScan& scan, std::uint64_t number, bool closed, std::optional<Jsn> next_known);

 private:
  using Ahead = std::vector<std::pair<std::uint64_t, GroupHeader>>;
  using BatchHeaders = std::vector<record::BatchHeader>;

  static bool is_last(FileScan& scan, const FoundGroup& found);
  Offset end_of(StreamId stream) const;
  bool follows(const GroupHeader& header, Jsn next) const;
  // The headers of the group's batches, when they agree with the group's table and lie at or above the ends of their streams.
  // Above, without damage before: something is missing that left no trace, and is reported when the group is applied.
  std::optional<BatchHeaders> judge(const FoundGroup& found) const;
  void report_gaps(const FoundGroup& found, std::uint64_t number);
  void note(const GroupHeader& header);
  void apply(const FoundGroup& found, const BatchHeaders& headers, FileReplay& into);
  void salvage(FileScan& scan, std::uint64_t from, std::uint64_t to);
  void salvage(const EntryRow& entry, std::span<const std::byte> batch);
  void look_ahead(FileScan& scan, std::uint64_t from);
  // Skips damage at `position`: the position of the group to go on with, or nothing when the rest is tail or unknown.
  std::optional<std::uint64_t> pass_damage(FileScan& scan, std::uint64_t number, std::uint64_t position, bool closed, FileReplay& into);
  std::optional<std::pair<std::uint64_t, Jsn>> credible_ahead(FileScan& scan, std::uint64_t position) const;

  Recovered& state_;
  Flaw flaw_;
  Jsn durable_;          // highest that any good group mentions
  Incarnation last_;     // of the last accepted group
  std::optional<Ahead> ahead_;  // good groups behind the first damage of this file, found once
};

}  // namespace tidemill::log
