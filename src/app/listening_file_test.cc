#include "app/listening_file.h"

#include <gtest/gtest.h>

#include "world/simulated.h"
#include "world/simulated_disk.h"

namespace tidemill::app {
namespace {

using namespace std::chrono_literals;

class ListeningFileTest : public testing::Test {
 protected:
  ListeningFileTest() { EXPECT_TRUE(disk.make_dirs("data")); }
  bool there() { return disk.exists("data/listening.json").value_or(false); }

  world::SimulatedWorld world{1};
  world::SimulatedLoop& loop = world.add_loop();
  world::SimulatedDisk disk{1};
  std::map<std::string, world::Address> addresses{{"kafka", {"127.0.0.1", 9092}}};
};

TEST_F(ListeningFileTest, a_full_disk_does_not_fail_the_start_and_the_file_comes_when_there_is_room) {
  disk.limit_space(10);
  ListeningFile file(disk, "data");
  ASSERT_TRUE(file.publish(addresses, loop));
  world.advance(5s);
  EXPECT_FALSE(there());
  disk.limit_space(0);
  world.advance(2s);
  EXPECT_EQ(disk.content("data/listening.json"), "{\"kafka\":\"127.0.0.1:9092\"}\n");
}

TEST_F(ListeningFileTest, what_was_withdrawn_does_not_come_back_when_there_is_room) {
  disk.limit_space(10);
  ListeningFile file(disk, "data");
  ASSERT_TRUE(file.publish(addresses, loop));
  world.advance(2s);
  file.withdraw();
  disk.limit_space(0);
  world.advance(5s);
  EXPECT_FALSE(there());
}

}  // namespace
}  // namespace tidemill::app
