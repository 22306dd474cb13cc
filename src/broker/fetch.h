// Fetching: whole batches of several partitions, by reference to the log's memory; waits for more when there is too little.
//
// A large fetch is read in pieces, in turn with the others of its loop, so that nobody waits for all of it. It takes the memory that
// it finds: when there is little, it answers less than was asked for, and only a batch that is too large for the rest is waited for.
#pragma once

#include <chrono>
#include <functional>
#include <vector>

#include "broker/broker.h"
#include "runtime/byte_budget.h"
#include "runtime/turns.h"
#include "wire/kafka/codec.h"
#include "world/clock.h"
#include "world/task.h"

namespace tidemill::broker {

struct FetchPart {
  TopicRef topic;  // null: no such topic
  std::int32_t partition = 0;
  Offset from;
  std::size_t bytes_max = 0;
  std::int32_t leader_epoch = -1;  // what the client believes, -1: nothing
};

struct FetchedPart {
  ErrorCode error = kafka::NONE;
  Offset start{-1};
  Offset end{-1};
  std::int32_t leader_epoch = -1;
  kafka::Records records;
};

struct FetchWish {
  std::vector<FetchPart> parts;
  std::size_t bytes_max = 0;
  std::size_t bytes_min = 0;
  std::chrono::milliseconds wait{0};
};

// Where a waiting fetch can be woken before its time, when its connection is told to end. One fetch at a time.
class Wakeable {
 public:
  // Ends the wait of now, and every later one at once.
  void end() {
    ended_ = true;
    if (wake_) wake_();
  }
  bool ended() const { return ended_; }
  void waiting(std::function<void()> wake) { wake_ = std::move(wake); }

 private:
  bool ended_ = false;
  std::function<void()> wake_;
};

struct FetchMeans {
  runtime::Turns& turns;  // of the loop
  runtime::ByteBudget::Holding& memory;
};

struct Fetched {
  std::vector<FetchedPart> parts;  // one answer per part of the wish, in their order
  std::size_t held = 0;            // what was taken from `memory` for them: the caller gives it back
};

// At least one batch is returned if any part has one, however small the limits are.
world::Task<Fetched> fetch(Broker& broker, world::Loop& loop, FetchWish wish, Wakeable& wakeable, FetchMeans means);

// A client's belief about a partition's leader epoch against what is: NONE, FENCED_LEADER_EPOCH or UNKNOWN_LEADER_EPOCH.
ErrorCode check_leader_epoch(std::int32_t believed, std::int32_t actual);

}  // namespace tidemill::broker
