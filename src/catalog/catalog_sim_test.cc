// The catalogue's lives on a treacherous disk: after every crash it is what was acknowledged, and at most the one change that was under
// way, whatever became of its snapshot and of the journal's tail.
#include <gtest/gtest.h>

#include <fmt/core.h>

#include <deque>
#include <random>

#include "catalog/catalog.h"
#include "log/memory_log.h"
#include "log/test_stepped_log.h"
#include "world/simulated.h"
#include "world/simulated_disk.h"

namespace tidemill::catalog {
namespace {

constexpr std::uint64_t seeds = 200;
constexpr int lives = 10;

struct Seen {
  int crashed_starts = 0, crashed_changes = 0, crashed_snapshots = 0, snapshots = 0, survived = 0, lost = 0;
};

class CatalogSim {
 public:
  explicit CatalogSim(std::uint64_t seed) : seed_(seed), random_(seed), disk_(seed), ids_(seed), log_(disk_, clock_, options()) {}

  std::string run(Seen& seen) {
    seen_ = &seen;
    for (life_ = 0; life_ < lives && broken_.empty(); ++life_) {
      one_life();
      end();
    }
    if (broken_.empty() && open()) verify();
    catalog_.reset();
    return broken_.empty() ? "" : fmt::format("seed {}, life {}: {}", seed_, life_, broken_);
  }

 private:
  static log::CoreOptions options() {
    return {.dir = "data", .journal_file_bytes = 24 * log::block_bytes, .group_bytes_max = 4 * log::block_bytes, .batch_bytes_max = 8 * log::block_bytes};
  }
  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  bool chance(std::uint64_t percent) { return below(100) < percent; }
  void broke(std::string what) { if (broken_.empty()) broken_ = std::move(what); }

  void one_life() {
    if (chance(20)) disk_.stop_at_change(1 + below(15));
    if (!open()) return;
    verify();
    if (!broken_.empty()) return;
    disk_.stop_at_change(1 + below(60));
    for (int i = 0; i < 25 && !disk_.stopped(); ++i) {
      if (chance(25)) snapshot();
      else change();
    }
  }

  void end() {
    catalog_.reset();
    log_.close();
    if (chance(20)) disk_.kill();
    else disk_.power_loss();
  }

  bool open() {
    auto opened = [&]() -> Result<void> {
      TRY(log_.open());
      TRY_ASSIGN(followed, Catalog::open(log_, disk_, clock_, ids_, "data/catalog"));
      catalog_ = std::move(followed);
      return {};
    }();
    if (!opened && !disk_.stopped()) broke("the start failed: " + opened.error().text());
    seen_->crashed_starts += !opened;
    return opened.has_value();
  }

  void snapshot() {
    auto saved = catalog_->snapshot();
    seen_->snapshots += saved.has_value();
    seen_->crashed_snapshots += !saved;
    if (!saved && !disk_.stopped()) broke("a snapshot failed: " + saved.error().text());
  }

  // All changes are made of these few names, so that they meet each other: made, dropped, made again, of two tenants.
  Change some_change() {
    auto tenant = chance(70) ? default_tenant : TenantId{7};
    auto name = fmt::format("thing{}", below(6));
    switch (below(4)) {
      case 0: return CreateTopic{.tenant = tenant, .name = name, .partitions = static_cast<std::int32_t>(1 + below(4)), .configs = {{"retention.ms", std::to_string(below(100))}}};
      case 1: return DeleteTopic{tenant, name};
      case 2: return PutConnector{tenant, name, {{"table.include.list", std::string(below(600), 't')}}};
      default: return DropConnector{tenant, name};
    }
  }

  void change() {
    std::vector<Change> changes{some_change()};
    if (chance(20)) changes.push_back(some_change());
    auto made = catalog_->change_and_wait(std::move(changes));
    if (made) {
      acknowledged_ = dump();
      return;
    }
    if (!disk_.stopped()) return expect_unchanged(made.error());
    ++seen_->crashed_changes;
    under_way_ = true;
  }

  void expect_unchanged(const Error& why) {
    if (auto now = dump(); now != acknowledged_) broke(fmt::format("a refused change ({}) left a trace:\n{}\ninstead of\n{}", why.message, now, acknowledged_));
  }

  // Everything that can be asked, as text.
  std::string dump() const {
    std::string out;
    for (auto tenant : {default_tenant, TenantId{7}}) {
      out += fmt::format("tenant {}: {} changes\n", tenant.value, catalog_->next_number(tenant));
      for (auto& t : catalog_->topics(tenant)) {
        out += fmt::format("  topic {} {} x{} {}", t->name, t->first_stream.value, t->partitions, t->configs.at("retention.ms"));
        out += catalog_->find_topic(t->uuid) == t ? "\n" : " not found by its id\n";
      }
      for (auto& c : catalog_->connectors(tenant)) out += fmt::format("  connector {} {} {}\n", c->name, c->positions.value, c->config.begin()->second.size());
    }
    return out;
  }

  void verify() {
    auto now = dump();
    auto from_log_alone = without_snapshot();
    if (now != from_log_alone) broke(fmt::format("with its snapshot the catalogue is\n{}\nand without\n{}", now, from_log_alone));
    auto changed = now != acknowledged_;
    if (changed && !under_way_) broke(fmt::format("the catalogue is\n{}\nand was\n{}", now, acknowledged_));
    if (under_way_) (changed ? seen_->survived : seen_->lost) += 1;
    under_way_ = false;
    acknowledged_ = now;
    check_streams();
  }

  std::string without_snapshot() {
    auto with = std::move(catalog_);
    auto alone = Catalog::open(log_, disk_, clock_, ids_, "data/empty");
    if (!alone) {
      if (!disk_.stopped()) broke("the log alone does not give a catalogue: " + alone.error().text());
      catalog_ = std::move(with);
      return dump();
    }
    catalog_ = std::move(*alone);
    auto text = dump();
    catalog_ = std::move(with);
    return text;
  }

  bool is_forgotten(StreamId stream) const {
    auto read = log_.read(stream, Offset(0), 1);
    return !read && read.error().code == Code::not_found;
  }

  // A stream id that has two owners, or had an earlier one, would mix their records.
  void check_streams() {
    for (auto tenant : {default_tenant, TenantId{7}})
      for (auto& t : catalog_->topics(tenant))
        for (std::int32_t p = 0; p < t->partitions; ++p) {
          auto owner = fmt::format("{}/{}/{}", tenant.value, t->name, t->first_stream.value);
          if (catalog_->topic_of(t->stream(p)) != t) broke(fmt::format("stream {} is not known to be of {}", t->stream(p).value, owner));
          auto& known = owners_.try_emplace(t->stream(p), owner).first->second;
          if (known != owner) broke(fmt::format("stream {} belongs to {} and to {}", t->stream(p).value, known, owner));
          if (is_forgotten(t->stream(p))) broke(fmt::format("{} exists, but its stream {} is deleted", owner, t->stream(p).value));
        }
    for (auto& [stream, owner] : owners_)
      if (!catalog_->topic_of(stream) && !is_forgotten(stream)) broke(fmt::format("{} is deleted, but its stream {} is not", owner, stream.value));
  }

  std::uint64_t seed_;
  std::mt19937_64 random_;
  world::SimulatedDisk disk_;
  world::SimulatedClock clock_;
  world::SimulatedRandom ids_;
  log::SteppedLog log_;
  std::unique_ptr<Catalog> catalog_;
  std::string acknowledged_ = "tenant 1: 0 changes\ntenant 7: 0 changes\n";
  bool under_way_ = false;
  std::map<StreamId, std::string> owners_;
  int life_ = 0;
  std::string broken_;
  Seen* seen_ = nullptr;
};

TEST(CatalogSim, no_seed_loses_or_invents_a_definition) {
  Seen seen;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    CatalogSim sim(seed);
    ASSERT_EQ(sim.run(seen), "");
  }
  fmt::print("{} starts crashed, {} changes, {} snapshots; {} snapshots written; of the changes under way {} survived, {} were lost\n", seen.crashed_starts,
             seen.crashed_changes, seen.crashed_snapshots, seen.snapshots, seen.survived, seen.lost);
  // A simulation that never meets the hard cases proves nothing.
  for (auto count : {seen.crashed_starts, seen.crashed_changes, seen.crashed_snapshots, seen.snapshots, seen.survived, seen.lost}) EXPECT_GT(count, 20);
}

// A bit turned in a snapshot, a snapshot cut short, one from nowhere: the log has everything.
TEST(CatalogSim, no_damage_to_a_snapshot_changes_the_catalogue) {
  world::SimulatedDisk disk(3);
  world::SimulatedClock clock;
  world::SimulatedRandom ids(3);
  log::SteppedLog log(disk, clock, {.dir = "data", .journal_file_bytes = 1 << 20});
  ASSERT_TRUE(log.open());
  auto open = [&] { return Catalog::open(log, disk, clock, ids, "data/catalog"); };
  auto first = open();
  ASSERT_TRUE(first);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE((*first)->change_and_wait({CreateTopic{.tenant = default_tenant, .name = fmt::format("t{}", i)}}));
  ASSERT_TRUE((*first)->snapshot());
  auto whole = disk.content("data/catalog/snapshot");
  for (std::size_t at = 0; at < whole.size(); ++at) {
    disk.flip("data/catalog/snapshot", at, std::byte{4});
    auto again = open();
    ASSERT_TRUE(again) << at;
    ASSERT_EQ((*again)->topics(default_tenant).size(), 5u) << "byte " << at;
    ASSERT_EQ((*again)->next_number(default_tenant), 5) << "byte " << at;
    disk.flip("data/catalog/snapshot", at, std::byte{4});
  }
  for (std::size_t size = 0; size < whole.size(); ++size) {
    ASSERT_TRUE(world::replace_file(disk, "data/catalog/snapshot", whole.substr(0, size)));
    auto again = open();
    ASSERT_TRUE(again) << size;
    ASSERT_EQ((*again)->topics(default_tenant).size(), 5u) << "cut to " << size;
  }
}

TEST(CatalogDamage, a_damaged_record_costs_its_definition_and_neither_the_start_nor_a_stream) {
  world::SimulatedDisk disk(3);
  world::SimulatedClock clock;
  world::SimulatedRandom ids(3);
  log::SteppedLog log(disk, clock, {.dir = "data", .journal_file_bytes = 1 << 20});
  ASSERT_TRUE(log.open());
  StreamId last;
  {
    auto catalog = Catalog::open(log, disk, clock, ids, "data/catalog");
    ASSERT_TRUE(catalog);
    for (auto* name : {"first", "second", "third"}) ASSERT_TRUE((*catalog)->change_and_wait({CreateTopic{.tenant = default_tenant, .name = name, .partitions = 3}}));
    last = StreamId{(*catalog)->find_topic(default_tenant, "third")->first_stream.value + 2};
  }
  clock.advance(std::chrono::milliseconds(20));
  log.settle();  // the mark that covers the last record
  auto journal = log::journal_path("data", 1);
  disk.flip(journal, disk.content(journal).find("third"), std::byte{1});
  log.close();
  disk.kill();
  ASSERT_TRUE(log.open());
  auto catalog = Catalog::open(log, disk, clock, ids, "data/catalog");
  ASSERT_TRUE(catalog) << catalog.error().text();
  EXPECT_EQ((*catalog)->lost_records(), 1);
  EXPECT_TRUE((*catalog)->find_topic(default_tenant, "first"));
  EXPECT_TRUE((*catalog)->find_topic(default_tenant, "second"));
  EXPECT_FALSE((*catalog)->find_topic(default_tenant, "third"));
  ASSERT_TRUE((*catalog)->change_and_wait({CreateTopic{.tenant = default_tenant, .name = "third", .partitions = 1}}));
  EXPECT_GT((*catalog)->find_topic(default_tenant, "third")->first_stream, last) << "its records would mix with the lost topic's";
}

// A log that answers when the test says so.
class SlowLog : public log::MemoryLog {
 public:
  explicit SlowLog(world::Clock& clock) : MemoryLog(clock, Delivery::in_call) {}
  void append(log::Append append, log::AppendDone done) override { waiting_.emplace_back(std::move(append), std::move(done)); }
  void answer(bool well) {
    auto [append, done] = std::move(waiting_.front());
    waiting_.pop_front();
    if (well) MemoryLog::append(std::move(append), std::move(done));
    else done(fail(Code::full, "no room"));
  }

 private:
  std::deque<std::pair<log::Append, log::AppendDone>> waiting_;
};

TEST(CatalogFailure, a_change_that_arrives_behind_one_that_failed_is_seen_and_keeps_its_streams) {
  world::SimulatedDisk disk(1);
  world::SimulatedClock clock;
  world::SimulatedRandom ids(1);
  SlowLog log(clock);
  auto opened = Catalog::open(log, disk, clock, ids, "data/catalog");
  ASSERT_TRUE(opened);
  auto& catalog = **opened;
  std::vector<bool> answers;
  auto make = [&](const char* name) {
    catalog.change({CreateTopic{.tenant = default_tenant, .name = name, .partitions = 2}}, [&](Result<Jsn> made) { answers.push_back(made.has_value()); });
  };
  make("fails");
  make("arrives");
  log.answer(false);
  make("too early");
  log.answer(true);
  ASSERT_EQ(answers, (std::vector{false, false, true}));
  EXPECT_FALSE(catalog.find_topic(default_tenant, "fails"));
  EXPECT_FALSE(catalog.find_topic(default_tenant, "too early"));
  ASSERT_TRUE(catalog.find_topic(default_tenant, "arrives"));
  auto taken = catalog.find_topic(default_tenant, "arrives")->first_stream;
  make("next");
  log.answer(true);
  EXPECT_GE(catalog.find_topic(default_tenant, "next")->first_stream.value, taken.value + 2) << "two topics on one stream";
  ASSERT_TRUE(catalog.snapshot());
  auto again = Catalog::open(log, disk, clock, ids, "data/catalog");
  EXPECT_EQ((*again)->topics(default_tenant).size(), 2u);
}

}  // namespace
}  // namespace tidemill::catalog
