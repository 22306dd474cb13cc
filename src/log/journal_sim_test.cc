// Two hundred lives of the journal under crashes; and the proof that the simulation would notice if recovery were wrong.
#include <gtest/gtest.h>

#include "log/test_journal_sim.h"

namespace tidemill::log {
namespace {

// More on request: TIDEMILL_SEEDS=20000 build/log_test --gtest_filter='JournalSim.*'
std::uint64_t wanted_seeds() {
  auto* text = std::getenv("TIDEMILL_SEEDS");
  return text ? std::strtoull(text, nullptr, 10) : 200;
}
const std::uint64_t seeds = wanted_seeds();

TEST(JournalSim, no_seed_loses_doubles_moves_or_changes_what_was_acknowledged) {
  JournalSim::Seen total;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    JournalSim sim(seed, Flaw::none);
    auto broken = sim.run();
    ASSERT_EQ(broken, "");
    auto& seen = sim.seen();
    total.trimmed += seen.trimmed;
    total.sorted += seen.sorted;
    total.merged += seen.merged;
    total.checkpoints += seen.checkpoints;
    total.reused += seen.reused;
    total.seals += seen.seals;
    total.tails += seen.tails;
    total.recoveries += seen.recoveries;
    total.batches += seen.batches;
    total.duplicates += seen.duplicates;
    total.full += seen.full;
    total.kills += seen.kills;
    total.crashed_opens += seen.crashed_opens;
    total.survived += seen.survived;
    total.lost += seen.lost;
    total.unstarted += seen.unstarted;
    total.scrubbed += seen.scrubbed;
  }
  fmt::print("{} trimmed streams seen, {} files sorted, {} segments merged, {} checkpoints, {} files used again; ", total.trimmed, total.sorted, total.merged, total.checkpoints, total.reused);
  fmt::print("{} recoveries, {} crashed ones, {} kills, {} seals, {} tails dropped, {} batches checked, {} duplicates recognised, {} refused by a "
             "full disk, unanswered: {} survived, {} lost, {} runs that a full disk kept from starting\n",
             total.recoveries, total.crashed_opens, total.kills, total.seals, total.tails, total.batches, total.duplicates, total.full, total.survived, total.lost, total.unstarted);
  // A simulation that never meets the hard cases proves nothing.
  EXPECT_GT(total.seals, seeds);
  EXPECT_GT(total.scrubbed, seeds);
  EXPECT_GT(total.trimmed, seeds);
  EXPECT_GT(total.sorted, seeds);
  EXPECT_GT(total.merged, seeds);
  EXPECT_GT(total.checkpoints, seeds);
  EXPECT_GT(total.reused, seeds);
  EXPECT_GT(total.tails, seeds / 4);
  EXPECT_GT(total.crashed_opens, seeds / 4);
  EXPECT_GT(total.duplicates, seeds / 4);
  EXPECT_GT(total.full, 0u);
  EXPECT_GT(total.survived, seeds / 4);
  EXPECT_GT(total.lost, seeds / 4);
  if (seeds >= 200) EXPECT_GT(total.unstarted, 0u);  // a disk without a free block at a start is rare
}

TEST(JournalSim, the_same_seed_makes_the_same_run) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    JournalSim first(seed, Flaw::none), second(seed, Flaw::none);
    ASSERT_EQ(first.run(), second.run());
    EXPECT_EQ(first.trace(), second.trace());
  }
}

// Bugs that were made on purpose: if the simulation did not find one, it would not find its like.
class PlantedBug : public testing::TestWithParam<std::pair<const char*, Flaw>> {};

TEST_P(PlantedBug, is_found_by_a_seed) {
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    JournalSim sim(seed, GetParam().second);
    if (auto broken = sim.run(); !broken.empty()) {
      fmt::print("found: {}\n", broken);
      return;
    }
  }
  FAIL() << "no seed noticed";
}

INSTANTIATE_TEST_SUITE_P(JournalSim, PlantedBug,
                         testing::Values(std::pair{"ignore_incarnation", Flaw::ignore_incarnation}, std::pair{"ack_before_sync", Flaw::ack_before_sync},
                                         std::pair{"publish_before_sync", Flaw::publish_before_sync}, std::pair{"drop_durable", Flaw::drop_durable},
                                         std::pair{"lose_rename", Flaw::lose_rename}),
                         [](auto& info) { return std::string(info.param.first); });

}  // namespace
}  // namespace tidemill::log
