#include "log/log.h"

#include <condition_variable>
#include <mutex>

namespace tidemill::log {

Result<Appended> append_and_wait(Log& log, Append append) {
  struct Answer {
    std::mutex mutex;
    std::condition_variable arrived;
    std::optional<Result<Appended>> value;
  };
  auto answer = std::make_shared<Answer>();
  log.append(std::move(append), [answer](Result<Appended> result) {
    std::lock_guard hold(answer->mutex);
    answer->value.emplace(std::move(result));
    answer->arrived.notify_one();
  });
  std::unique_lock hold(answer->mutex);
  answer->arrived.wait(hold, [&] { return answer->value.has_value(); });
  return std::move(*answer->value);
}

}  // namespace tidemill::log
