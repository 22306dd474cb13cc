// ConnectServer: Kafka Connect's REST interface over Connectors. Errors are {"error_code", "message"}.
//
// There is one worker, and every connector is one task, number 0: what Kafka Connect says of workers and rebalances does not arise.
#pragma once

#include "connect/connectors.h"
#include "runtime/pool.h"
#include "serve/http/http_server.h"

namespace tidemill::serve {

class ConnectServer {
 public:
  ConnectServer(world::Net& net, runtime::Shards& shards, connect::Connectors& connectors, HttpServerOptions options);
  ~ConnectServer();  // stops
  Result<void> start() { return http_.start(); }
  world::Address address() const { return http_.address(); }
  void stop();

 private:
  using Work = Result<Response> (ConnectServer::*)(const Request&);
  Task<void> answer(Work work, Request request, ResponseStream& out);
  void route(const char* method, const char* pattern, Work work);
  Result<Response> root(const Request& request);
  Result<Response> list(const Request& request);
  Result<Response> create(const Request& request);
  Result<Response> put_config(const Request& request);
  Result<Response> show(const Request& request);
  Result<Response> config(const Request& request);
  Result<Response> status(const Request& request);
  Result<Response> erase(const Request& request);
  Result<Response> restart(const Request& request);
  Result<Response> restart_task(const Request& request);
  Result<Response> pause(const Request& request);
  Result<Response> resume(const Request& request);
  Result<Response> tasks(const Request& request);
  Result<Response> task_status(const Request& request);
  Result<Response> topics(const Request& request);
  Result<Response> plugins(const Request& request);
  Result<Response> plugin_config(const Request& request);
  Result<Response> validate(const Request& request);

  connect::Connectors& connectors_;
  runtime::Pool pool_{"connect-rest", 2, 100};
  HttpServer http_;
};

}  // namespace tidemill::serve
