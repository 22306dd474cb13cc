// A life of the journal under crashes, from one seed: random appends, a crash at a random change of the disk, recovery, comparison
// with a model; many times over. Only tests use it.
//
// The model knows, per stream, the batches that somebody was told about or could have read (they must be there, unchanged, at their
// offsets), and the appends that were sent and never answered (each may be there once, whole, after the known ones, in order).
#pragma once

#include <fmt/core.h>

#include <map>
#include <random>
#include <set>

#include "log/engine.h"
#include "log/scrub.h"
#include "log/test_batches.h"
#include "world/simulated_disk.h"

namespace tidemill::log {

struct SimClock : world::Clock {
  std::int64_t ns = 1'000'000'000;
  std::int64_t now_ms() override { return 1'700'000'000'000 + ns / 1'000'000; }
  std::int64_t monotonic_ns() override { return ns; }
};

class JournalSim {
 public:
  JournalSim(std::uint64_t seed, Flaw flaw) : seed_(seed), random_(seed), disk_(seed) {
    options_.dir = "data";
    options_.journal_file_bytes = block_bytes * (16 + random_() % 48);
    options_.group_bytes_max = block_bytes * (2 + random_() % 14);
    options_.batch_bytes_max = 96 << 10;
    options_.flaw = flaw;
    if (random_() % 4 == 0) options_.roll_after_ms = 20 + static_cast<std::int64_t>(random_() % 2000);
    keeping_.sort_bytes = options_.journal_file_bytes * (1 + random_() % 3);
    keeping_.segment_bytes_max = block_bytes * (8 + random_() % 60);
    keeping_.merge_runs = 2 + random_() % 3;
    bool relaxed = random_() % 2 == 0;  // then tails are long
    relaxed_percent_ = relaxed ? 97 : 30;
    idempotent_percent_ = relaxed ? 5 : 30;
    short_lives_ = random_() % 2 == 0;
  }

  // Empty when every promise held; else what was broken.
  std::string run() {
    for (life_ = 0; life_ < lives && broken_.empty(); ++life_) one_life();
    if (broken_.empty() && open_without_faults()) verify();
    engine_.reset();
    return broken_.empty() ? "" : fmt::format("seed {}, life {}: {}", seed_, life_, broken_);
  }

  std::uint64_t trace() const { return disk_.trace(); }
  struct Seen {
    std::uint64_t trimmed = 0, sorted = 0, merged = 0, checkpoints = 0, reused = 0, seals = 0, tails = 0, recoveries = 0, batches = 0, duplicates = 0, full = 0, kills = 0, crashed_opens = 0, survived = 0, lost = 0, unstarted = 0, scrubbed = 0;
  };
  const Seen& seen() const { return seen_; }

 private:
  static constexpr int lives = 12;
  static constexpr std::uint64_t streams = 12;
  static constexpr std::int64_t producers = 4;  // producer p writes to stream p

  struct Part {
    StreamId stream;
    Slice batch;
  };
  struct Sent {
    std::uint64_t id = 0;
    std::vector<Part> parts;
    std::optional<Mark> mark;
    Durability durability = Durability::synced;
    std::int64_t producer = -1;
    std::optional<Result<Appended>> answer;
  };
  struct Known {
    Offset base;
    Slice batch;
    Jsn jsn;
    std::uint32_t index = 0;
    Offset end() const { return base + record::read_header(batch.bytes())->records_count; }
  };

  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  bool chance(std::uint64_t percent) { return below(100) < percent; }
  void broke(std::string what) { if (broken_.empty()) broken_ = std::move(what); }

  // ---- a life

  void one_life() {
    if (!chance(20)) disk_.limit_space(0);
    while (chance(short_lives_ ? 70 : 15)) crash_while_opening();
    bool early = chance(15);
    if (early) disk_.stop_at_change(1 + below(20));
    if (!open()) return end();
    if (!early && !chance(10)) disk_.stop_at_change(1 + below(short_lives_ ? 12 : 250));
    verify();
    bool away = short_lives_ && chance(40);  // nobody writes in this life
    if (!away) resend_unanswered();
    else std::swap(waiting_, resend_);
    if (chance(15)) disk_.fail_sync(1 + below(20));
    if (chance(10)) disk_.fail_write(1 + below(40));
    if (chance(30)) disk_.limit_space(disk_.used_bytes() + below(3) * options_.journal_file_bytes / 2 + 1);
    auto steps = away ? 0 : short_lives_ ? below(10) : 20 + below(150);
    for (std::uint64_t i = 0; i < steps && broken_.empty() && !engine_->core->fatal(); ++i) step();
    note_served();
    end();
  }

  // Starts are short, and most of what makes them delicate happens in a few changes.
  void crash_while_opening() {
    disk_.stop_at_change(1 + below(8));
    (void)open();
    end();
  }

  void end() {
    if (engine_) {
      seen_.seals += engine_->core->counters().files_sealed;
      auto& kept = engine_->keeper.counters();
      seen_.sorted += kept.files_sorted, seen_.merged += kept.segments_merged, seen_.checkpoints += kept.checkpoints, seen_.reused += kept.files_reused;
      if (kept.damaged > 0) broke("the keeper found damage where there is none");
      // One that a full disk kept from starting was never durable, and nothing was appended under it.
      if (engine_->core->run_started()) incarnation_ = engine_->core->incarnation();
      else ++seen_.unstarted;
    }
    engine_.reset();
    if (chance(25)) {
      ++seen_.kills;
      disk_.kill();
    } else {
      disk_.power_loss();
    }
    if (options_.flaw == Flaw::none) scrub_what_is_left();
  }

  // A crash is no damage.
  void scrub_what_is_left() {
    auto report = scrub(disk_, options_.dir, {[this](const Finding& finding) {
      if (finding.kind == Finding::Kind::damage) broke(fmt::format("a scrub after a crash finds damage: {} at {}: {}", finding.file, finding.position, finding.what));
    }});
    if (report) seen_.scrubbed += report->batches;
    else if (report.error().code != Code::not_found) broke("a scrub after a crash fails: " + report.error().text());
  }

  bool open() {
    auto opened = Engine::open(disk_, clock_, options_, keeping_, below(2) * 40'000);
    if (!opened) {
      if (!disk_.stopped()) broke("recovery failed: " + opened.error().text());
      ++seen_.crashed_opens;
      return false;
    }
    engine_ = std::move(*opened);
    ++seen_.recoveries;
    return true;
  }

  bool open_without_faults() {
    disk_.limit_space(0);
    return open();
  }

  void step() {
    auto what = below(100);
    if (what < 52) send();
    else if (what < 55) trim();
    else if (what < 60) resend_known();
    else if (what < 70) clock_.ns += static_cast<std::int64_t>(below(15)) * 1'000'000;
    else if (what < 72) disk_.limit_space(0), clock_.ns += 1'000'000'000;
    else if (what < 90) for (auto n = below(10); n > 0; --n) engine_->background_step();
    else while (engine_->core->pump()) {}
    if (chance(short_lives_ ? 90 : 50)) engine_->core->pump();
    note_served();
  }

  Slice batch(std::int64_t producer, std::uint64_t id) {
    record::BatchBuilder builder;
    auto records = 1 + static_cast<int>(below(3));
    auto size = short_lives_ ? below(200) : chance(5) ? below(60'000) : chance(30) ? below(3'000) : below(200);
    for (int i = 0; i < records; ++i) builder.add(clock_.now_ms(), fmt::format("{}/{}", id, i), std::string(size / static_cast<std::uint64_t>(records), 'p'));
    if (producer >= 0) {
      builder.producer(producer, 0, sequence_[producer]);
      sequence_[producer] += records;
    }
    return builder.finish();
  }

  void send() {
    auto sent = std::make_shared<Sent>();
    sent->id = ++last_id_;
    sent->durability = chance(relaxed_percent_) ? Durability::on_write : Durability::synced;
    if (chance(idempotent_percent_)) {
      auto p = static_cast<std::int64_t>(below(producers));
      if (unanswered_of(p) >= 4) return;  // as clients do: at most five in flight
      sent->producer = p;
      sent->durability = Durability::synced;
      sent->parts.push_back({StreamId{static_cast<std::uint64_t>(p)}, batch(p, sent->id)});
    } else {
      auto parts = chance(25) ? 2 + below(3) : 1;
      std::size_t bytes = 0;
      for (std::uint64_t i = 0; i < parts; ++i) {
        sent->parts.push_back({StreamId{producers + below(streams - producers)}, batch(-1, sent->id)});
        bytes += sent->parts.back().batch.size();
      }
      if (parts > 1 && bytes > options_.group_bytes_max) return;
    }
    submit(std::move(sent));
  }

  // At the beginning of a batch, in the middle of one, or at the end.
  void trim() {
    StreamId stream{producers + below(streams - producers)};
    auto bounds = engine_->view.bounds(stream);
    if (bounds.start == bounds.end) return;
    auto sent = std::make_shared<Sent>();
    sent->id = ++last_id_;
    sent->mark = Mark{Mark::Kind::trim, stream, bounds.start + static_cast<std::int64_t>(1 + below(static_cast<std::uint64_t>(bounds.end - bounds.start)))};
    submit(std::move(sent));
  }

  void submit(std::shared_ptr<Sent> sent) {
    sent->answer.reset();
    Append append;
    append.durability = sent->durability;
    if (chance(10)) append.purpose = Purpose::control;
    if (sent->mark) append.marks.push_back(*sent->mark);
    for (auto& part : sent->parts) append.entries.push_back({default_tenant, part.stream, part.batch});
    waiting_.push_back(sent);
    engine_->core->submit(std::move(append), [sent](Result<Appended> answer) { sent->answer = std::move(answer); });
  }

  std::size_t unanswered_of(std::int64_t producer) {
    return static_cast<std::size_t>(std::count_if(waiting_.begin(), waiting_.end(), [&](auto& s) { return s->producer == producer; }));
  }

  // A client that got no answer sends again, in order; what had arrived must be recognised.
  void resend_unanswered() {
    std::vector<std::shared_ptr<Sent>> again;
    std::swap(again, resend_);
    for (auto& sent : again) submit(sent);
  }

  void resend_known() {
    auto p = static_cast<std::int64_t>(below(producers));
    auto& batches = known_[StreamId{static_cast<std::uint64_t>(p)}];
    if (batches.empty() || unanswered_of(p) > 0) return;
    auto& again = batches[batches.size() - 1 - below(std::min<std::size_t>(batches.size(), 5))];
    bool answered = false;
    auto expected = again.base;
    engine_->core->submit(one(StreamId{static_cast<std::uint64_t>(p)}, again.batch), [&, expected](Result<Appended> answer) {
      answered = true;
      if (!answer) return;
      ++seen_.duplicates;
      if (!answer->duplicate || answer->base_offsets[0] != expected) broke("a batch sent again was not recognised");
    });
    while (!answered && (engine_->core->pump() || engine_->background_step())) {}
    if (!answered) engine_->core->stop();  // the callback must not outlive this call
  }

  // ---- the model

  void learn(const Sent& sent, const Appended& at) {
    if (sent.mark) start_[sent.mark->stream] = std::max(start_[sent.mark->stream], sent.mark->offset);
    for (std::size_t i = 0; i < sent.parts.size(); ++i) {
      auto& part = sent.parts[i];
      auto& known = known_[part.stream];
      if (at.duplicate) {
        bool there = std::any_of(known.begin(), known.end(), [&](auto& k) { return k.base == at.base_offsets[i] && k.batch.text() == part.batch.text(); });
        if (!there) broke(fmt::format("append {} is called a duplicate and is nowhere", sent.id));
        continue;
      }
      if (at.base_offsets[i] != (known.empty() ? start_[part.stream] : known.back().end())) broke(fmt::format("append {} got an offset that does not follow", sent.id));
      known.push_back({at.base_offsets[i], part.batch, at.jsn, 0});
    }
  }

  // Moves what is certain from the waiting appends to the known batches.
  void note_served() {
    for (auto at = waiting_.begin(); at != waiting_.end();) {
      auto& sent = **at;
      bool gone = sent.answer && !*sent.answer;
      bool certain = sent.answer && *sent.answer && (sent.durability == Durability::synced || visible(sent));
      if (gone && (*sent.answer).error().code == Code::full) ++seen_.full;
      if (gone && (*sent.answer).error().code == Code::io) gone = false;  // nobody knows
      if (gone && sent.producer >= 0) {
        gone = false;
        sent.answer.reset();  // refused: its sequence number is still to come, so the client sends again after the next start
      }
      if (certain) learn(sent, **sent.answer);
      at = gone || certain ? waiting_.erase(at) : std::next(at);
    }
    for (std::uint64_t s = 0; s < streams; ++s) served_[StreamId{s}] = std::max(served_[StreamId{s}], engine_->view.bounds(StreamId{s}).end);
  }

  bool visible(const Sent& sent) {
    auto& bases = (*sent.answer)->base_offsets;
    for (std::size_t i = 0; i < bases.size(); ++i)
      if (engine_->view.bounds(sent.parts[i].stream).end <= bases[i]) return false;
    return true;
  }

  using Found = std::map<StreamId, std::vector<Known>>;

  Found read_everything() {
    Found found;
    for (std::uint64_t s = 0; s < streams; ++s) {
      StreamId stream{s};
      auto end = engine_->view.bounds(stream).end;
      for (auto at = engine_->view.bounds(stream).start; at < end;) {
        auto read = engine_->view.read(stream, at, 1 + below(20'000));
        if (!read) {
          if (!disk_.stopped()) broke(fmt::format("stream {} cannot be read at {}: {}", s, at.value, read.error().text()));
          return found;
        }
        for (auto& b : *read) {
          bool first = !found.contains(stream);  // a trim may lie inside a batch
          if (first ? b.base > at : b.base != at) broke(fmt::format("stream {}: expected offset {}, found {}", s, at.value, b.base.value));
          found[stream].push_back({b.base, b.bytes, b.jsn, b.index});
          at = found[stream].back().end();
        }
      }
    }
    return found;
  }

  // Where each stream begins now: where it did, or where somebody asked for who got no answer.
  void verify_starts() {
    for (std::uint64_t s = 0; s < streams; ++s) {
      StreamId stream{s};
      auto start = engine_->view.bounds(stream).start;
      bool asked = std::any_of(waiting_.begin(), waiting_.end(), [&](auto& sent) { return sent->mark && sent->mark->stream == stream && sent->mark->offset == start; });
      if (start != start_[stream] && !(asked && start > start_[stream])) broke(fmt::format("stream {} begins at {} and should at {}", s, start.value, start_[stream].value));
      if (start != Offset{0}) ++seen_.trimmed;
      start_[stream] = start;
      std::erase_if(known_[stream], [&](auto& k) { return k.end() <= start; });
    }
  }

  void verify() {
    verify_starts();
    auto found = read_everything();
    auto& report = engine_->core->recovery();
    if (!report.corruption.empty()) broke(fmt::format("damage reported where there is none: {}", report.corruption[0].what));
    if (report.tail_dropped) {
      ++seen_.tails;
      if (report.leader_epoch <= leader_epoch_) broke("a tail was dropped and the leader epoch did not rise");
    }
    if (report.leader_epoch < leader_epoch_) broke("the leader epoch fell");
    if (engine_->core->incarnation() <= incarnation_) broke("the incarnation did not rise");
    leader_epoch_ = report.leader_epoch;
    verify_known(found);
    verify_new(found);
    verify_groups(found);
    known_ = std::move(found);
    resend_.clear();
    std::set<std::uint64_t> there;
    for (auto& [stream, batches] : known_)
      for (auto& b : batches) there.insert(id_of(b.batch));
    for (auto& sent : waiting_) {
      (there.contains(sent->id) ? seen_.survived : seen_.lost) += 1;
      if (sent->producer >= 0) resend_.push_back(sent);
    }
    waiting_.clear();
    for (auto& [stream, batches] : known_) seen_.batches += batches.size();
  }

  void verify_known(const Found& found) {
    for (auto& [stream, batches] : known_) {
      auto at = found.find(stream);
      for (std::size_t i = 0; i < batches.size(); ++i) {
        if (at == found.end() || i >= at->second.size()) return broke(fmt::format("stream {}: acknowledged offset {} is lost", stream.value, batches[i].base.value));
        if (at->second[i].base != batches[i].base || at->second[i].batch.text() != batches[i].batch.text())
          return broke(fmt::format("stream {}: acknowledged offset {} has moved or changed", stream.value, batches[i].base.value));
        if (at->second[i].jsn != batches[i].jsn) return broke(fmt::format("stream {}: offset {} has changed its group", stream.value, batches[i].base.value));
      }
    }
    for (auto& [stream, end] : served_)
      if (engine_->view.bounds(stream).end < end) broke(fmt::format("stream {} ended at {} for its readers, and now earlier", stream.value, end.value));
  }

  // What is there beyond the known must be appends that waited, whole, once, in the order of the journal.
  void verify_new(const Found& found) {
    std::map<std::uint64_t, std::size_t> parts;
    std::map<std::uint64_t, Jsn> group;
    for (auto& [stream, batches] : found)
      for (auto i = known_[stream].size(); i < batches.size(); ++i) {
        auto id = id_of(batches[i].batch);
        ++parts[id];
        if (!group.try_emplace(id, batches[i].jsn).second && group[id] != batches[i].jsn) broke(fmt::format("append {} lies in two groups", id));
      }
    Jsn last{0};
    for (auto& sent : waiting_) {
      auto at = parts.find(sent->id);
      if (at == parts.end()) continue;
      if (at->second != sent->parts.size()) broke(fmt::format("append {} is there in part", sent->id));
      if (sent->answer && *sent->answer && !at_promised_place(found, *sent)) broke(fmt::format("append {} is not where its answer says", sent->id));
      if (group[sent->id] < last) broke(fmt::format("append {} came before an earlier one", sent->id));
      last = group[sent->id];
      parts.erase(at);
    }
    if (!parts.empty()) broke(fmt::format("append {} is there, and nobody was waiting for it", parts.begin()->first));
  }

  static bool at_promised_place(const Found& found, const Sent& sent) {
    for (std::size_t i = 0; i < sent.parts.size(); ++i) {
      auto at = found.find(sent.parts[i].stream);
      if (at == found.end()) return false;
      auto& batches = at->second;
      auto base = (*sent.answer)->base_offsets[i];
      if (std::none_of(batches.begin(), batches.end(), [&](auto& b) { return b.base == base && id_of(b.batch) == sent.id; })) return false;
    }
    return true;
  }

  // The same batches, seen by a follower.
  void verify_groups(const Found& found) {
    std::map<StreamId, std::size_t> next;
    std::size_t total = 0;
    auto first = engine_->view.tiers()->first_group;
    for (auto& [stream, batches] : found)
      for (auto& b : batches)
        if (b.jsn < first) ++next[stream], ++total;
    for (auto jsn = first; jsn <= engine_->view.durable_jsn();) {
      auto groups = engine_->view.read_groups(jsn, 30'000);
      if (!groups || groups->empty()) {
        if (!disk_.stopped()) broke(fmt::format("group {} cannot be read", jsn.value));
        return;
      }
      for (auto& group : *groups) {
        if (group.jsn != jsn) return broke(fmt::format("expected group {}, found {}", jsn.value, group.jsn.value));
        for (std::size_t i = 0; i < group.entries.size(); ++i) {
          auto& entry = group.entries[i];
          if (Known{entry.base, entry.batch, jsn}.end() <= start_[entry.stream]) continue;
          ++total;
          auto batches = found.find(entry.stream);
          auto& at = next[entry.stream];
          if (batches == found.end() || at >= batches->second.size()) return broke("a follower sees a batch that readers do not");
          auto& b = batches->second[at++];
          if (b.jsn != jsn || b.index != i || b.base != entry.base || b.batch.text() != entry.batch.text())
            return broke(fmt::format("group {} and stream {} disagree", jsn.value, entry.stream.value));
        }
        jsn += 1;
      }
    }
    std::size_t expected = 0;
    for (auto& [stream, batches] : found) expected += batches.size();
    if (total != expected) broke("followers and readers see different numbers of batches");
  }

  static std::uint64_t id_of(const Slice& batch) {
    auto records = record::BatchRecords::open(batch, Offset{0});
    record::RecordView r;
    if (!records || !records->next(r) || !r.key) return 0;
    return std::stoull(std::string(*r.key));
  }

  std::uint64_t seed_;
  std::mt19937_64 random_;
  world::SimulatedDisk disk_;
  SimClock clock_;
  CoreOptions options_;
  KeeperOptions keeping_;
  std::uint64_t relaxed_percent_, idempotent_percent_;
  bool short_lives_;
  int life_ = 0;
  std::string broken_;
  Seen seen_;
  std::unique_ptr<Engine> engine_;
  std::uint64_t last_id_ = 0;
  std::map<std::int64_t, std::int32_t> sequence_;
  std::vector<std::shared_ptr<Sent>> waiting_;  // in the order they were sent
  std::vector<std::shared_ptr<Sent>> resend_;
  Found known_;
  std::map<StreamId, Offset> start_;
  std::map<StreamId, Offset> served_;
  std::int32_t leader_epoch_ = 0;
  Incarnation incarnation_;
};

}  // namespace tidemill::log
