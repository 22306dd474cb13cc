#include "connect/interrupt.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "base/check.h"

namespace tidemill::connect {

Interrupt::Interrupt() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) { CHECK(event_ >= 0, "eventfd: errno {}", errno); }
Interrupt::~Interrupt() { ::close(event_); }

void Interrupt::ring() {
  std::uint64_t one = 1;
  // Full means that it rings already.
  [[maybe_unused]] auto written = ::write(event_, &one, sizeof one);
}

void Interrupt::stop() {
  stopped_.store(true, std::memory_order_release);
  ring();
}

bool Interrupt::wait(int fd, bool for_write, std::chrono::milliseconds timeout) {
  if (stopped()) return false;
  pollfd both[2] = {{event_, POLLIN, 0}, {fd, static_cast<short>(for_write ? POLLOUT : POLLIN), 0}};
  if (::poll(both, fd < 0 ? 1 : 2, static_cast<int>(timeout.count())) <= 0) return false;
  if (both[0].revents != 0 && !stopped()) {
    std::uint64_t rings = 0;
    [[maybe_unused]] auto read = ::read(event_, &rings, sizeof rings);
  }
  return fd >= 0 && both[1].revents != 0;
}

}  // namespace tidemill::connect
