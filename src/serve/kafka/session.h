// What the handlers of one connection's requests work with. Lives on the connection's shard.
#pragma once

#include <string>
#include <vector>

#include "broker/broker.h"
#include "broker/fetch.h"
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
  broker::Wakeable waits;     // ended when the connection closes
};

// What goes back for one request. No parts: nothing is answered (acks=0).
struct KafkaReply {
  std::vector<Slice> parts;
  bool with_error = false;  // for the whole request or a part of it
};

}  // namespace tidemill::serve
