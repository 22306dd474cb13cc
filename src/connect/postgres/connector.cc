#include "connect/postgres/connector.h"

#include <fmt/format.h>

#include "connect/postgres/capture.h"
#include "world/real.h"

namespace tidemill::connect::postgres {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds retry_first{250}, retry_max{10'000};

// What may pass without anybody changing the configuration.
bool may_pass(Code code) { return code == Code::unavailable || code == Code::busy || code == Code::full; }

}  // namespace

PostgresConnector::PostgresConnector(Context context, std::shared_ptr<const catalog::Connector> definition, Settings settings,
                                     const std::vector<std::string>& warnings)
    : context_(context), definition_(std::move(definition)), settings_(std::move(settings)), meter_(definition_->name) {
  for (auto& warning : warnings) board_.warn(definition_->name, warning);
  thread_ = world::start_thread("pg:" + definition_->name, [this] { run(); });
}

PostgresConnector::~PostgresConnector() { finish(); }

void PostgresConnector::finish() {
  stop();
  if (thread_.joinable()) thread_.join();
}

void PostgresConnector::run() {
  while (!interrupt_.stopped()) {
    Capture capture(context_, *definition_, settings_, interrupt_, board_, meter_);
    auto error = capture.run();
    if (error.code == Code::cancelled) break;
    if (capture.reached_streaming()) retry_delay_ = milliseconds{0};
    if (!may_pass(error.code)) {
      board_.state(State::failed, error.text());
      return;
    }
    retry_later(error);
  }
  board_.state(State::unassigned);
}

void PostgresConnector::retry_later(const Error& error) {
  retry_delay_ = retry_delay_ == milliseconds{0} ? retry_first : std::min(retry_delay_ * 2, retry_max);
  board_.state(State::failed, fmt::format("{}; tried again every {} s at most", error.text(), retry_max.count() / 1000));
  auto until = context_.clock.monotonic_ns() + std::chrono::nanoseconds(retry_delay_).count();
  // Rings that are none of ours do not shorten the wait.
  while (!interrupt_.stopped() && context_.clock.monotonic_ns() < until)
    interrupt_.rest(milliseconds((until - context_.clock.monotonic_ns()) / 1'000'000 + 1));
  if (!interrupt_.stopped()) meter_.started_again();
}

}  // namespace tidemill::connect::postgres
