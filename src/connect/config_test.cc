#include "connect/config.h"

#include <gtest/gtest.h>

#include "connect/postgres/settings.h"

namespace tidemill::connect {

const ConfigMap good = {{"connector.class", "PostgresConnector"}, {"database.hostname", "h"}, {"database.user", "u"}, {"database.password", "geheim"},
                        {"database.dbname", "d"}, {"topic.prefix", "p"}};

Checked checked(std::initializer_list<std::pair<const std::string, std::string>> more) {
  auto config = good;
  for (auto& [name, value] : more) config[name] = value;
  return check_config(postgres::postgres_properties(), config);
}

TEST(ConnectorConfig, wrong_values_name_property_value_and_what_is_allowed) {
  auto result = checked({{"snapshot.mode", "sometimes"}, {"tombstones.on.delete", "yes"}, {"database.port", "abc"}, {"table.include.list", "a[" }});
  ASSERT_EQ(result.errors.size(), 4u);
  EXPECT_EQ(result.errors[0].message, "database.port is \"abc\"; it must be a whole number");
  EXPECT_EQ(result.errors[1].message, "snapshot.mode is \"sometimes\"; allowed are initial, initial_only, no_data, never");
  EXPECT_EQ(result.errors[2].message, "table.include.list: \"a[\" is not a regular expression");
  EXPECT_EQ(result.errors[3].message, "tombstones.on.delete is \"yes\"; allowed are true and false");
}

TEST(ConnectorConfig, what_is_missing_is_named) {
  auto result = check_config(postgres::postgres_properties(), {{"connector.class", "PostgresConnector"}});
  EXPECT_EQ(result.errors.size(), 4u);
  EXPECT_EQ(result.errors[0].name, "database.hostname");
}

TEST(ConnectorConfig, unknown_properties_are_a_warning) {
  auto result = checked({{"tabel.include.list", "x"}, {"max.batch.size", "10"}});
  EXPECT_TRUE(result.errors.empty());
  EXPECT_EQ(result.warnings, (std::vector<std::string>{"property max.batch.size has no effect here: batches form by themselves",
                                                       "unknown property tabel.include.list: ignored"}));
}

TEST(ConnectorConfig, secrets_are_not_shown) {
  auto shown = masked(postgres::postgres_properties(), good);
  EXPECT_EQ(shown["database.password"], mask);
  EXPECT_EQ(shown["database.user"], "u");
}

TEST(ConnectorConfig, lists_match_whole_names_without_regard_to_case) {
  auto filter = NameFilter::make("public\\.orders, s\\..*", "");
  ASSERT_TRUE(filter);
  EXPECT_TRUE(filter->passes("public.orders"));
  EXPECT_TRUE(filter->passes("S.anything"));
  EXPECT_FALSE(filter->passes("public.orders_old"));
}

TEST(ConnectorConfig, the_older_unwrap_properties_mean_what_they_meant) {
  using postgres::UnwrapDelete;
  auto mode = [](std::initializer_list<std::pair<const std::string, std::string>> more) {
    auto config = good;
    config["transforms"] = "u";
    config["transforms.u.type"] = "io.debezium.transforms.ExtractNewRecordState";
    for (auto& [name, value] : more) config["transforms.u." + name] = value;
    auto settings = postgres::read_settings(config);
    EXPECT_TRUE(settings) << settings.error().text();
    return settings->format->unwrap->on_delete;
  };
  EXPECT_EQ(mode({}), UnwrapDelete::tombstone);
  EXPECT_EQ(mode({{"drop.tombstones", "false"}}), UnwrapDelete::tombstone);
  EXPECT_EQ(mode({{"delete.handling.mode", "rewrite"}}), UnwrapDelete::rewrite);
  EXPECT_EQ(mode({{"delete.handling.mode", "rewrite"}, {"drop.tombstones", "false"}}), UnwrapDelete::rewrite_with_tombstone);
  EXPECT_EQ(mode({{"delete.tombstone.handling.mode", "delete-to-tombstone"}}), UnwrapDelete::delete_to_tombstone);
}

}  // namespace tidemill::connect
