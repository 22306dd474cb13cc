// Does an answer tell of an error, for the whole request or for a part of it?
#pragma once

#include <algorithm>

#include "wire/kafka/all_messages.h"
#include "wire/kafka/errors.h"

namespace tidemill::serve {

inline constexpr auto has_error_code = [](const auto& part) { return part.error_code != kafka::NONE; };

template <class Topics>
bool any_partition_failed(const Topics& topics) {
  return std::ranges::any_of(topics, [](const auto& topic) { return std::ranges::any_of(topic.partitions, has_error_code); });
}

inline bool carries_error(const kafka::ApiVersionsResponse& r) { return has_error_code(r); }
inline bool carries_error(const kafka::InitProducerIdResponse& r) { return has_error_code(r); }
inline bool carries_error(const kafka::FindCoordinatorResponse& r) { return has_error_code(r); }
inline bool carries_error(const kafka::CreateTopicsResponse& r) { return std::ranges::any_of(r.topics, has_error_code); }
inline bool carries_error(const kafka::DeleteTopicsResponse& r) { return std::ranges::any_of(r.responses, has_error_code); }
inline bool carries_error(const kafka::MetadataResponse& r) { return std::ranges::any_of(r.topics, has_error_code); }
inline bool carries_error(const kafka::ProduceResponse& r) { return any_partition_failed(r.topics); }
inline bool carries_error(const kafka::ListOffsetsResponse& r) { return any_partition_failed(r.topics); }
inline bool carries_error(const kafka::DeleteRecordsResponse& r) { return any_partition_failed(r.topics); }
inline bool carries_error(const kafka::FetchResponse& r) { return has_error_code(r) || any_partition_failed(r.topics); }

}  // namespace tidemill::serve
