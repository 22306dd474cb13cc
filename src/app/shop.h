// The demo's small shop: customers, products and orders in PostgreSQL, and a thread that keeps changing them.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

#include "base/result.h"

namespace tidemill::app {

class Shop {
 public:
  // Makes the tables and their first rows if they are missing.
  static Result<void> open(const std::string& conninfo);
  Shop(std::string conninfo, int transactions_per_second);
  ~Shop();  // closes for the day
  std::uint64_t transactions() const { return transactions_; }

 private:
  void trade();
  std::string conninfo_;
  int transactions_per_second_;
  std::atomic<bool> open_ = true;
  std::atomic<std::uint64_t> transactions_ = 0;
  std::thread thread_;
};

// One row into table pulse, committed; how the demo measures commit to answer.
Result<void> beat(const std::string& conninfo);

}  // namespace tidemill::app
