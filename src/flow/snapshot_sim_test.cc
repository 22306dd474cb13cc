// Queries on a treacherous disk: the journal and the snapshots share it, and every life ends in a power loss or a kill. In the end the
// output is the one of an undisturbed run, record for record.
#include <fmt/core.h>

#include <random>

#include "flow/test_mill.h"
#include "log/test_stepped_log.h"

namespace tidemill::flow {
namespace {

constexpr std::uint64_t seeds = 200;
constexpr int inputs = 60;

constexpr const char* statements[] = {
    "CREATE STREAM s (id INT KEY, item STRING, n INT) WITH (KAFKA_TOPIC='in', VALUE_FORMAT='JSON', PARTITIONS=2);"
    "CREATE TABLE q AS SELECT item, COUNT(*) AS c, SUM(n) AS s, MAX(n) AS m FROM s WINDOW TUMBLING (SIZE 3 SECONDS, GRACE PERIOD 4 SECONDS) GROUP BY item HAVING SUM(n) > 0;",
    "CREATE TABLE s (id INT PRIMARY KEY, item STRING, n INT) WITH (KAFKA_TOPIC='in', VALUE_FORMAT='JSON', PARTITIONS=2);"
    "CREATE TABLE q AS SELECT item, COUNT(*) AS c, AVG(n) AS a FROM s GROUP BY item;",
};

void feed(Mill& mill, int i) {
  auto key = be32(i * 5 % 7);
  if (i % 9 == 5) return mill.put("in", key, std::nullopt, 1000 + i * 100, static_cast<std::size_t>(i * 5 % 7 % 2));
  mill.put("in", key, fmt::format(R"({{"item":"i{}","n":{}}})", i % 3, i % 11), 1000 + i * 700 % 9000, static_cast<std::size_t>(i * 5 % 7 % 2));
}

struct Outcome {
  std::vector<std::vector<SeenRecord>> out;
  std::vector<SeenRecord> processing_log;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};
Outcome outcome(Mill& mill) { return {mill.all_out(), mill.records(StreamId(6))}; }

Outcome undisturbed(const char* sql) {
  Mill mill;
  mill.run_sql(sql);
  for (int i = 0; i < inputs; ++i) feed(mill, i);
  mill.drain();
  return outcome(mill);
}

struct Seen {
  int crashed_appends = 0, crashed_snapshots = 0, snapshots = 0, replays = 0, lost = 0, survived = 0;
};

class SnapshotSim {
 public:
  SnapshotSim(std::uint64_t seed, const char* sql, Seen& seen) : random_(seed), disk_(seed), log_(disk_, clock_, options()), mill_(log_), seen_(seen) {
    mill_.snapshots = true;
    mill_.run_sql(sql);
  }

  Outcome run() {
    for (int life = 0; life < 12; ++life) {
      one_life();
      log_.close();
      if (chance(25)) disk_.kill();
      else disk_.power_loss();
      count_crashed_snapshot();
    }
    EXPECT_TRUE(log_.open());
    while (fed_ < inputs) feed(mill_, fed_++);
    auto task = QueryTask::open(log_, &disk_, mill_.spec());
    EXPECT_TRUE(task) << task.error().text();
    mill_.drain(**task);
    return outcome(mill_);
  }

 private:
  static log::CoreOptions options() {
    return {.dir = "data", .journal_file_bytes = 40 * log::block_bytes, .group_bytes_max = 8 * log::block_bytes, .batch_bytes_max = 16 * log::block_bytes};
  }
  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  bool chance(std::uint64_t percent) { return below(100) < percent; }

  void one_life() {
    ASSERT_TRUE(log_.open());
    for (auto more = below(10); more > 0 && fed_ < inputs; --more) feed(mill_, fed_++);
    mill_.batch_rows = 1 + below(9);
    disk_.stop_at_change(1 + below(chance(50) ? 12 : 60));
    auto task = QueryTask::open(log_, &disk_, mill_.spec());
    if (!task) {
      ASSERT_TRUE(disk_.stopped()) << task.error().text();
      return;
    }
    seen_.replays += (*task)->replaying();
    while (step(**task))
      if (chance(50) && !snapshot(**task)) return;
  }

  bool step(QueryTask& task) {
    auto step = task.step();
    if (!step) {
      EXPECT_TRUE(disk_.stopped()) << step.error().text();
      return false;
    }
    for (auto& append : step->appends) {
      bool made = false;
      log_.append(std::move(append), [&](auto result) { made = result.has_value(); });
      seen_.crashed_appends += !made;
      if (!made) return false;
    }
    return step->moved;
  }

  bool snapshot(QueryTask& task) {
    names_before_ = names();
    auto saved = task.snapshot();
    EXPECT_TRUE(saved || disk_.stopped()) << saved.error().text();
    (saved ? seen_.snapshots : seen_.crashed_snapshots) += 1;
    if (saved) names_before_.reset();
    return saved.has_value();
  }

  using Names = std::vector<std::string>;
  Names names() {
    auto all = disk_.list("snapshots").value_or(Names{});
    std::erase_if(all, [](auto& name) { return !name.ends_with(".snapshot"); });
    return all;
  }
  void count_crashed_snapshot() {
    if (auto before = std::exchange(names_before_, std::nullopt)) (names() == *before ? seen_.lost : seen_.survived) += 1;
  }

  std::mt19937_64 random_;
  world::SimulatedDisk disk_;
  world::SimulatedClock clock_;
  log::SteppedLog log_;
  Mill mill_;
  Seen& seen_;
  int fed_ = 0;
  std::optional<Names> names_before_;  // of the snapshot that was being written when the machine stopped
};

TEST(SnapshotSim, no_seed_changes_the_output_of_a_query) {
  Seen seen;
  for (auto* sql : statements) {
    auto wanted = undisturbed(sql);
    ASSERT_FALSE(wanted.out[0].empty());
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      SnapshotSim sim(seed, sql, seen);
      auto out = sim.run();
      ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
      ASSERT_TRUE(out == wanted) << "seed " << seed << ": another output than without crashes";
    }
  }
  fmt::print("{} appends crashed, {} snapshots; {} snapshots written; of those under way {} survived, {} were lost; {} starts replayed\n", seen.crashed_appends, seen.crashed_snapshots, seen.snapshots, seen.survived, seen.lost, seen.replays);
  // A simulation that never meets the hard cases proves nothing.
  for (auto count : {seen.crashed_appends, seen.crashed_snapshots, seen.snapshots, seen.replays, seen.survived, seen.lost}) EXPECT_GT(count, 20);
}

}  // namespace
}  // namespace tidemill::flow
