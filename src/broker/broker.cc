#include "broker/broker.h"

namespace tidemill::broker {

Refusal refusal_of(const Error& error) {
  switch (error.code) {
    case Code::corrupt: return {kafka::CORRUPT_MESSAGE, error.text()};
    case Code::unsupported: return {kafka::UNSUPPORTED_COMPRESSION_TYPE, error.text()};
    case Code::too_large: return {kafka::MESSAGE_TOO_LARGE, error.text()};
    case Code::out_of_order: return {kafka::OUT_OF_ORDER_SEQUENCE_NUMBER, error.text()};
    case Code::fenced: return {kafka::INVALID_PRODUCER_EPOCH, error.text()};
    case Code::full:
    case Code::io: return {kafka::KAFKA_STORAGE_ERROR, error.text()};
    case Code::unavailable:
    case Code::cancelled: return {kafka::NOT_LEADER_OR_FOLLOWER, error.text()};
    case Code::out_of_range: return {kafka::OFFSET_OUT_OF_RANGE, error.text()};
    case Code::not_found: return {kafka::UNKNOWN_TOPIC_OR_PARTITION, error.text()};
    case Code::already_exists: return {kafka::TOPIC_ALREADY_EXISTS, error.text()};
    case Code::invalid: return {kafka::INVALID_REQUEST, error.text()};
    default: return {kafka::UNKNOWN_SERVER_ERROR, error.text()};
  }
}

}  // namespace tidemill::broker
