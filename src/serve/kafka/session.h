// What the handlers of one connection's requests work with. Lives on the connection's shard.
#pragma once

#include <string>
#include <vector>

#include "broker/broker.h"
#include "broker/fetch.h"
#include "runtime/byte_budget.h"
#include "runtime/turns.h"
#include "serve/kafka/meter.h"
#include "wire/kafka/frame.h"
#include "world/clock.h"
#include "world/net.h"
#include "world/task.h"

namespace tidemill::serve {

struct KafkaSession {
  broker::Broker& broker;
  world::Loop& loop;
  TenantId tenant;
  std::string cluster_id;
  world::Address advertised;  // where clients are told to find this server
  world::Clock& clock;
  KafkaMeter& meter;
  runtime::Turns& turns;      // of the loop: for what takes long
  broker::Wakeable waits{};   // ended when the connection closes
  runtime::ByteBudget::Holding* memory = nullptr;  // while the connection runs: what its requests and answers hold
  std::size_t answer_held = 0;  // taken from `memory` by the handler of the request that is alone; the writer gives it back
};

// What goes back for one request. No parts: nothing is answered (acks=0).
struct KafkaReply {
  std::vector<Slice> parts;
  bool with_error = false;  // for the whole request or a part of it
};

}  // namespace tidemill::serve
