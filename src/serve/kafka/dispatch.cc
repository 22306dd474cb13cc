#include "serve/kafka/dispatch.h"

#include <fmt/core.h>

#include "serve/kafka/carries_error.h"
#include "serve/kafka/handlers.h"

namespace tidemill::serve {
namespace {

using kafka::Decoder;
using world::Task;

Decoder body_of(const KafkaCall& call) { return Decoder(call.frame.from(call.body_at)); }

template <class Response>
KafkaReply encode(const KafkaCall& call, const Response& response, std::int16_t version) {
  kafka::Encoder out;
  kafka::write_response_header(out, call.header);
  response.encode(out, version);
  return {out.take_framed(), carries_error(response)};
}

template <class Request, class Response>
Task<Result<KafkaReply>> run(KafkaSession& session, KafkaCall call, Task<Response> (*handler)(KafkaSession&, Request, std::int16_t)) {
  auto in = body_of(call);
  auto request = Request::decode(in, call.header.version);
  if (!request) co_return request.error();
  auto handling = handler(session, std::move(*request), call.header.version);
  auto response = co_await handling;
  co_return encode(call, response, call.header.version);
}

Task<Result<KafkaReply>> failed(Error error) { co_return error; }

Task<Result<KafkaReply>> finish_produce(KafkaCall call, Task<Result<kafka::ProduceResponse>> producing, bool answered) {
  auto response = co_await producing;
  if (!response) co_return response.error();
  co_return answered ? encode(call, *response, call.header.version) : KafkaReply();
}

// Not a coroutine: the batches are with the log when it returns.
Task<Result<KafkaReply>> begin_produce(KafkaSession& session, KafkaCall call) {
  auto in = body_of(call);
  auto request = kafka::ProduceRequest::decode(in, call.header.version);
  if (!request) return failed(request.error());
  bool answered = request->acks != 0;
  auto producing = produce(session, std::move(*request), call.header.version);
  return finish_produce(std::move(call), std::move(producing), answered);
}

// The one API that answers a version it does not know: in the layout of version 0, so that the client can choose again.
Task<Result<KafkaReply>> answer_versions(KafkaCall call) {
  auto response = api_versions();
  auto version = call.header.version;
  if (version < kafka::ApiVersionsRequest::lowest || version > kafka::ApiVersionsRequest::highest) {
    response.error_code = kafka::UNSUPPORTED_VERSION;
    co_return encode(call, response, 0);
  }
  auto in = body_of(call);
  if (auto request = kafka::ApiVersionsRequest::decode(in, version); !request) co_return request.error();
  co_return encode(call, response, version);
}

}  // namespace

kafka::ApiVersionsResponse api_versions() {
  kafka::ApiVersionsResponse response;
  for (const auto& api : kafka::apis) response.api_keys.push_back({api.key, api.lowest, api.highest});
  response.finalized_features_epoch = 0;  // at -1 Java clients ignore the features
  return response;
}

Result<KafkaCall> read_call(Slice frame) {
  Decoder in(frame);
  TRY_ASSIGN(header, kafka::read_request_header(in));
  auto* api = kafka::find_api(header.key);
  bool known = header.version >= api->lowest && header.version <= api->highest;
  if (!known && header.key != kafka::api_versions_key)
    return fail(Code::unsupported, fmt::format("{} version {} is not served, {} to {} are", api->name, header.version, api->lowest, api->highest));
  return KafkaCall{std::move(frame), header, in.position()};
}

bool may_overlap(const KafkaCall& call) { return call.header.key == kafka::produce_key; }

Task<Result<KafkaReply>> answer(KafkaSession& session, KafkaCall call) {
  switch (call.header.key) {
    case kafka::api_versions_key: return answer_versions(std::move(call));
    case kafka::produce_key: return begin_produce(session, std::move(call));
    case kafka::fetch_key: return run(session, std::move(call), fetch);
    case kafka::metadata_key: return run(session, std::move(call), metadata);
    case kafka::list_offsets_key: return run(session, std::move(call), list_offsets);
    case kafka::create_topics_key: return run(session, std::move(call), create_topics);
    case kafka::delete_topics_key: return run(session, std::move(call), delete_topics);
    case kafka::delete_records_key: return run(session, std::move(call), delete_records);
    case kafka::init_producer_id_key: return run(session, std::move(call), init_producer_id);
    case kafka::find_coordinator_key: return run(session, std::move(call), find_coordinator);
    default: return failed(fail(Code::unsupported, fmt::format("API key {} has no handler", call.header.key)));
  }
}

}  // namespace tidemill::serve
