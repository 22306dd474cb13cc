// What the handlers of one connection's requests work with. Lives on the connection's shard.
#pragma once

#include <string>
#include <vector>

#include "broker/broker.h"
#include "broker/fetch.h"
#include "wire/kafka/frame.h"
#include "world/net.h"
#include "world/task.h"

namespace tidemill::serve {

struct KafkaSession {
  broker::Broker& broker;
  world::Loop& loop;
  TenantId tenant;
  std::string cluster_id;
  world::Address advertised;  // where clients are told to find this server
  broker::Wakeable waits;     // ended when the connection closes
};

// What goes back for one request. No parts: nothing is answered (acks=0).
struct KafkaReply {
  std::vector<Slice> parts;
};

}  // namespace tidemill::serve
