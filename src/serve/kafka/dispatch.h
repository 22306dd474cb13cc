// From a frame to the task that answers it.
#pragma once

#include "serve/kafka/session.h"

namespace tidemill::serve {

struct KafkaCall {
  Slice frame;  // keeps what the request points at
  kafka::RequestHeader header;
  std::size_t body_at = 0;
};

// Reads the header. An error here, or from the answer, means that the connection cannot go on.
Result<KafkaCall> read_call(Slice frame);

// A produce may be begun while earlier answers are still on their way; anything else waits for its turn.
bool may_overlap(const KafkaCall& call);

// The work of a produce is begun by this call already; everything else begins when the task is awaited.
world::Task<Result<KafkaReply>> answer(KafkaSession& session, KafkaCall call);

}  // namespace tidemill::serve
