#include <fmt/core.h>

#include "flow/test_mill.h"

// Whatever happens to a query, its output topic is the one an undisturbed run would have written: keys, values, timestamps, headers, offsets.

namespace tidemill::flow {
namespace {

struct Story {
  const char* name;
  const char* sql;
  void (*feed)(Mill&, int);  // writes input record i
};

void feed_orders(Mill& mill, int i) {
  auto value = fmt::format(R"({{"item":"i{}","n":{}}})", i * 7 % 5, i % 11 - 3);
  if (i % 13 == 4) value = "{broken";
  mill.put("in", be32(i % 6), value, 1000 + i * 700 % 9000, static_cast<std::size_t>(i % 2), {{"n", "v"}});
}
void feed_users(Mill& mill, int i) {
  auto key = be32(i * 5 % 7);
  if (i % 6 == 5) return mill.put("in", key, std::nullopt, i, static_cast<std::size_t>(i * 5 % 7 % 2));
  mill.put("in", key, fmt::format(R"({{"item":"i{}","n":{}}})", i % 3, i % 11), i, static_cast<std::size_t>(i * 5 % 7 % 2));
}

void feed_days(Mill& mill, int i) {
  auto time = i * 2'400'000ll - (i % 7 == 3 ? 100'000'000ll : 0);  // every seventh is long late
  mill.put("in", be32(i % 6), fmt::format(R"({{"item":"i{}","n":{}}})", i % 4, i % 11), std::max(time, 0ll), static_cast<std::size_t>(i % 2));
}

constexpr Story stories[] = {
    {"windows that are let go",
     "CREATE STREAM s (id INT KEY, item STRING, n INT) WITH (KAFKA_TOPIC='in', VALUE_FORMAT='JSON', PARTITIONS=2);"
     "CREATE TABLE q AS SELECT item, COUNT(*) AS c, MAX(item) AS m FROM s WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 30 MINUTES) GROUP BY item;",
     feed_days},
    {"filter",
     "CREATE STREAM s (id INT KEY, item STRING, n INT) WITH (KAFKA_TOPIC='in', VALUE_FORMAT='JSON', PARTITIONS=2);"
     "CREATE STREAM q AS SELECT id, item, 12 / n AS d FROM s WHERE n > -2;",
     feed_orders},
    {"windowed groups",
     "CREATE STREAM s (id INT KEY, item STRING, n INT) WITH (KAFKA_TOPIC='in', VALUE_FORMAT='JSON', PARTITIONS=2);"
     "CREATE TABLE q AS SELECT item, COUNT(*) AS c, SUM(n) AS s, MAX(n) AS m FROM s WINDOW TUMBLING (SIZE 3 SECONDS, GRACE PERIOD 4 SECONDS) GROUP BY item HAVING SUM(n) > 0;",
     feed_orders},
    {"table filter",
     "CREATE TABLE s (id INT PRIMARY KEY, item STRING, n INT) WITH (KAFKA_TOPIC='in', VALUE_FORMAT='JSON', PARTITIONS=2);"
     "CREATE TABLE q AS SELECT id, item, n FROM s WHERE n > 3;",
     feed_users},
    {"table groups",
     "CREATE TABLE s (id INT PRIMARY KEY, item STRING, n INT) WITH (KAFKA_TOPIC='in', VALUE_FORMAT='JSON', PARTITIONS=2);"
     "CREATE TABLE q AS SELECT item, COUNT(*) AS c, AVG(n) AS a FROM s GROUP BY item;",
     feed_users},
};
constexpr int inputs = 90;

struct Outcome {
  std::vector<std::vector<SeenRecord>> out;
  std::vector<SeenRecord> processing_log;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};
std::ostream& operator<<(std::ostream& to, const Outcome& o) {
  auto print = [&](const std::vector<SeenRecord>& all) {
    for (auto& r : all) to << "\n  " << r.offset << " @" << r.timestamp_ms << " " << r.value.value_or("-");
  };
  for (auto& partition : o.out) print(partition);
  print(o.processing_log);
  return to;
}
Outcome outcome(Mill& mill) { return {mill.all_out(), mill.records(StreamId(6))}; }

Outcome undisturbed(const Story& story) {
  Mill mill;
  mill.run_sql(story.sql);
  for (int i = 0; i < inputs; ++i) story.feed(mill, i);
  mill.drain();
  auto seen = outcome(mill);
  EXPECT_FALSE(seen.out[0].empty()) << story.name;
  return seen;
}

class Restart : public testing::TestWithParam<Story> {};

TEST_P(Restart, steps_of_any_size_write_the_same) {
  auto wanted = undisturbed(GetParam());
  for (std::size_t rows : {1, 2, 3, 17}) {
    Mill mill;
    mill.batch_rows = rows;
    mill.run_sql(GetParam().sql);
    for (int i = 0; i < inputs; ++i) GetParam().feed(mill, i);
    mill.drain();
    EXPECT_EQ(outcome(mill), wanted) << rows << " rows a step";
  }
}

// Killed after every step, before and after its append, with and without a snapshot on the way.
TEST_P(Restart, killed_at_every_step_it_goes_on_to_the_same_output) {
  auto wanted = undisturbed(GetParam());
  for (bool snapshots : {false, true}) {
    for (std::size_t kept_appends : {std::size_t{0}, std::size_t{99}}) {
      for (int kill_at = 0; kill_at < 16; ++kill_at) {
        Mill mill;
        mill.batch_rows = 7;
        mill.snapshots = snapshots;
        mill.run_sql(GetParam().sql);
        for (int i = 0; i < inputs / 2; ++i) GetParam().feed(mill, i);
        {
          auto task = mill.open();
          for (int step = 0; step < kill_at; ++step) {
            mill.step(*task);
            if (step % 3 == 1) ASSERT_TRUE(task->snapshot());
          }
          mill.step(*task, kept_appends);  // computed, and its append perhaps never made
        }
        for (int i = inputs / 2; i < inputs; ++i) GetParam().feed(mill, i);
        mill.batch_rows = 5;  // cut differently this time
        mill.drain();
        ASSERT_EQ(outcome(mill), wanted) << "killed at " << kill_at << (snapshots ? ", with snapshots" : "") << ", appends kept " << kept_appends;
      }
    }
  }
}

TEST_P(Restart, killed_again_and_again) {
  auto wanted = undisturbed(GetParam());
  Mill mill;
  mill.batch_rows = 4;
  mill.snapshots = true;
  mill.run_sql(GetParam().sql);
  int fed = 0;
  for (int life = 0; life < 40; ++life) {
    for (int i = 0; i < 5 && fed < inputs; ++i) GetParam().feed(mill, fed++);
    auto task = mill.open();
    for (int step = 0; step < life % 7; ++step) mill.step(*task);
    if (life % 4 == 0 && !task->replaying()) ASSERT_TRUE(task->snapshot());
  }
  mill.drain();
  EXPECT_EQ(outcome(mill), wanted);
}

TEST_P(Restart, damaged_snapshots_are_passed_over) {
  auto wanted = undisturbed(GetParam());
  for (int damage = 0; damage < 6; ++damage) {
    Mill mill;
    mill.batch_rows = 6;
    mill.snapshots = true;
    mill.run_sql(GetParam().sql);
    for (int i = 0; i < inputs / 2; ++i) GetParam().feed(mill, i);
    {
      auto task = mill.open();
      while (mill.step(*task)) ASSERT_TRUE(task->snapshot());
    }
    auto names = mill.disk.list("snapshots");
    ASSERT_TRUE(names);
    ASSERT_EQ(names->size(), 2u);
    auto damaged = [&](const std::string& name) {
      auto path = "snapshots/" + name;
      auto size = mill.disk.content(path).size();
      if (damage % 3 == 0) mill.disk.flip(path, size / 2, std::byte{1});
      else ASSERT_TRUE((*mill.disk.open(path, world::Open::write))->truncate(damage % 3 == 1 ? 0 : size - 3));
    };
    damaged(names->back());
    if (damage >= 3) damaged(names->front());
    for (int i = inputs / 2; i < inputs; ++i) GetParam().feed(mill, i);
    mill.drain();
    ASSERT_EQ(outcome(mill), wanted) << "damage " << damage;
  }
}

INSTANTIATE_TEST_SUITE_P(Stories, Restart, testing::ValuesIn(stories), [](auto& info) {
  std::string name = info.param.name;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
});

TEST(Restart, an_output_too_large_for_one_append_is_cut_and_resumed_exactly) {
  auto feed = [](Mill& mill) {
    mill.run_sql("CREATE STREAM s (v STRING) WITH (KAFKA_TOPIC='in', VALUE_FORMAT='JSON', PARTITIONS=1);"
                 "CREATE STREAM q AS SELECT RPAD(v, 140000, 'x') AS wide FROM s;");
    for (int i = 0; i < 60; ++i) mill.put("in", std::nullopt, fmt::format(R"({{"v":"{}"}})", i), i);
  };
  Mill whole;
  feed(whole);
  auto task = whole.open();
  whole.step(*task);
  auto step = task->step();
  ASSERT_TRUE(step);
  ASSERT_GT(step->appends.size(), 2u);
  for (auto& append : step->appends) {
    std::size_t bytes = 0;
    for (auto& entry : append.entries) bytes += entry.batch.size();
    EXPECT_LE(bytes, whole.log.append_bytes_max());
    whole.log.append(std::move(append), [](auto result) { ASSERT_TRUE(result); });
  }
  ASSERT_EQ(whole.out().size(), 60u);
  for (std::size_t made = 0; made < 5; ++made) {
    Mill mill;
    feed(mill);
    {
      auto first = mill.open();
      mill.step(*first);
      mill.step(*first, made);
    }
    mill.batch_rows = 9;
    mill.drain();
    EXPECT_EQ(mill.out(), whole.out()) << made;
  }
}

TEST(Restart, a_query_from_the_end_begins_where_it_first_began) {
  Mill mill;
  mill.run_sql(stories[0].sql);
  for (int i = 0; i < 10; ++i) stories[0].feed(mill, i);
  auto spec = mill.spec();
  spec.from_earliest = false;
  {
    auto task = QueryTask::open(mill.log, nullptr, spec);
    mill.step(**task);
  }
  mill.put("in", be32(1), R"({"item":"late","n":1})");
  auto task = QueryTask::open(mill.log, nullptr, spec);
  mill.drain(**task);
  auto all = mill.all_out();
  EXPECT_EQ(all[0].size() + all[1].size(), 1u);
}

TEST(PositionsStream, does_not_grow_for_ever_and_a_restart_without_a_snapshot_still_begins_where_the_query_did) {
  Mill mill;
  mill.batch_rows = 1;
  mill.run_sql(stories[3].sql);
  mill.drain();
  for (int i = 0; i < inputs; ++i) feed_users(mill, i);
  mill.drain();
  auto bounds = mill.log.bounds(StreamId(5));
  EXPECT_GT(bounds.end - bounds.start, 1);
  EXPECT_LT(bounds.end - bounds.start, 8);
  auto kept = load_positions(mill.log, StreamId(5));
  ASSERT_TRUE(kept) << kept.error().text();
  ASSERT_EQ((*kept)->first.inputs.size(), 2u);
  for (auto& input : (*kept)->first.inputs) EXPECT_EQ(input.next, Offset(0));
}

// What an earlier version has written: records that do not say where the query began. The first one does.
TEST(PositionsStream, of_the_version_before_is_read_and_goes_on_in_this_one) {
  auto story = stories[4];
  auto wanted = undisturbed(story);
  Mill mill;
  mill.batch_rows = 3;
  mill.run_sql(story.sql);
  auto old = [&](std::vector<Offset> next) {
    Positions positions;
    for (std::size_t i = 0; i < next.size(); ++i) positions.inputs.push_back({mill.streams("in")[i], next[i]});
    mill.append({default_tenant, StreamId(5), positions_batch(positions, 0)});
  };
  old({Offset(0), Offset(0)});
  old({Offset(0), Offset(0)});
  for (int i = 0; i < inputs; ++i) story.feed(mill, i);
  mill.drain();
  mill.drain();
  EXPECT_EQ(outcome(mill), wanted);
  EXPECT_GT(mill.log.bounds(StreamId(5)).start, Offset(2));
}

}  // namespace
}  // namespace tidemill::flow
