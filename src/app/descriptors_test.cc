#include "app/descriptors.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>

namespace tidemill::app {
namespace {

TEST(Descriptors, the_soft_limit_rises_to_the_hard_one) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low{std::min<rlim_t>(before.rlim_max, 256), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  auto raised = raise_descriptor_limit();
  rlimit now{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &now), 0);
  EXPECT_EQ(now.rlim_cur, before.rlim_max);
  EXPECT_EQ(raised, std::min<std::size_t>(before.rlim_max, 1u << 20));
  ::setrlimit(RLIMIT_NOFILE, &before);
}

TEST(Descriptors, clients_never_get_what_the_log_needs) {
  EXPECT_EQ(connections_within(1024), 1024u - 341);
  EXPECT_EQ(connections_within(200), 200u - 66);
  EXPECT_EQ(connections_within(100), 50u);
  EXPECT_EQ(connections_within(1u << 20), (1u << 20) - 448);
}

}  // namespace
}  // namespace tidemill::app
