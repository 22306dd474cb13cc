#include "app/command_line.h"

#include <gtest/gtest.h>

namespace tidemill::app {

Result<CommandLine> read(std::vector<const char*> words) {
  words.insert(words.begin(), "tidemill");
  return read_command_line(static_cast<int>(words.size()), words.data());
}

TEST(CommandLine, options_are_read_in_both_forms) {
  auto line = read({"start", "--data", "/d", "--set", "a.b=1", "--set=c=x=y"});
  ASSERT_TRUE(line);
  EXPECT_EQ(line->option("data"), "/d");
  ASSERT_EQ(line->sets.size(), 2u);
  EXPECT_EQ(line->sets[1].second, "x=y");
}

TEST(CommandLine, a_flag_takes_no_value_and_an_option_of_another_command_is_refused) {
  auto line = read({"scrub", "--json", "--data", "/d"});
  ASSERT_TRUE(line);
  EXPECT_EQ(line->option("json"), "true");
  EXPECT_EQ(line->option("data"), "/d");
  EXPECT_EQ(read({"restore", "--from", "/b", "--to-jsn=5"})->option("to-jsn"), "5");
  EXPECT_EQ(read({"backup", "--to-jsn=5"}).error().message, "backup has no option --to-jsn");
}

TEST(CommandLine, mistakes_name_themselves_and_the_remedy) {
  EXPECT_EQ(read({"strat"}).error().text(), "there is no command \"strat\"; tidemill help shows what there is");
  EXPECT_EQ(read({"start", "--dat", "x"}).error().message, "start has no option --dat");
  EXPECT_EQ(read({"start", "--data"}).error().message, "--data needs a value: --data DIR");
  EXPECT_EQ(read({"start", "--set", "x"}).error().message, "--set takes KEY=VALUE, not \"x\"");
  EXPECT_EQ(read({}).error().message, "no command given");
}

}  // namespace tidemill::app
