#include "runtime/byte_budget.h"

#include <algorithm>

#include "base/check.h"
#include "observe/log.h"

namespace tidemill::runtime {

namespace {

constexpr std::size_t share_of_rest = 8;  // take_some leaves seven eighths of what is there to the others

}  // namespace

ByteBudget::ByteBudget(world::Clock& clock, ByteBudgetOptions options)
    : clock_(clock),
      options_(std::move(options)),
      bytes_gauge_(observe::metrics().gauge("tidemill_client_memory_bytes", {{"listeners", options_.name}})),
      waits_(observe::metrics().counter("tidemill_client_memory_waits_total", {{"listeners", options_.name}})),
      stalled_(observe::metrics().counter("tidemill_client_memory_stalled_total", {{"listeners", options_.name}})),
      warning_(std::chrono::minutes(1)) {}

ByteBudget::~ByteBudget() { CHECK(holders_.empty() && queue_.empty(), "{} holdings outlive their budget", holders_.size()); }

std::size_t ByteBudget::taken() const {
  std::lock_guard hold(mutex_);
  return taken_;
}

std::size_t ByteBudget::waiting() const {
  std::lock_guard hold(mutex_);
  return queue_.size();
}

// What `more` takes from the budget: only the part beyond the free amount.
std::size_t ByteBudget::cost(const Holding& holding, std::size_t more) const {
  auto left = options_.free_bytes > holding.held_ ? options_.free_bytes - holding.held_ : 0;
  return more > left ? more - left : 0;
}

void ByteBudget::add(Holding& holding, std::size_t bytes) {
  auto taking = cost(holding, bytes);
  holding.held_ += bytes;
  if (taking == 0) return;
  taken_ += taking;
  holders_.insert(&holding);
  bytes_gauge_.set(static_cast<double>(taken_));
}

void ByteBudget::remove(Holding& holding, std::size_t bytes) {
  CHECK(bytes <= holding.held_, "{} of {} bytes given back", bytes, holding.held_);
  holding.held_ -= bytes;
  auto returned = cost(holding, bytes);
  CHECK(returned <= taken_);
  taken_ -= returned;
  if (holding.held_ <= options_.free_bytes) holders_.erase(&holding);
  bytes_gauge_.set(static_cast<double>(taken_));
  if (beyond_ && (taken_ <= options_.bytes_max || beyond_->held_ <= options_.free_bytes)) beyond_ = nullptr;
  let_go_on();
}

bool ByteBudget::may_have(const Holding& holding, std::size_t bytes) const {
  auto taking = cost(holding, bytes);
  return taking == 0 || &holding == beyond_ || (queue_.empty() && taken_ + taking <= options_.bytes_max);
}

void ByteBudget::let_go_on() {
  while (!queue_.empty()) {
    auto& first = queue_.front();
    bool fits = taken_ + cost(*first.holding, first.bytes) <= options_.bytes_max;
    if (!fits && beyond_ && beyond_ != first.holding) return;
    if (!fits) beyond_ = first.holding;
    add(*first.holding, first.bytes);
    first.granted(true);
    queue_.pop_front();
  }
}

// Linear in those that hold something, a few times per patience at most.
void ByteBudget::show_the_door(std::int64_t now_ns) {
  auto patience_ns = std::chrono::nanoseconds(options_.patience).count();
  if (now_ns - looked_ns_ < patience_ns / 4 || queue_.empty()) return;
  looked_ns_ = now_ns;
  std::size_t bytes = 0, count = 0;
  for (auto* holder : holders_) {
    auto since = std::min(holder->sending.since_ns(), holder->reading.since_ns());
    if (since > now_ns - patience_ns || std::exchange(holder->leaving_, true)) continue;
    bytes += holder->held_;
    ++count;
    holder->leave_();
  }
  if (count == 0) return;
  stalled_.add(count);
  if (auto unsaid = warning_.now(now_ns))
    log_warn("memory.stalled_clients", {{"listeners", options_.name}, {"clients.closed", count}, {"clients.bytes", bytes}, {"clients.waiting", queue_.size()}, {"log.unsaid", *unsaid}});
}

ByteBudget::Holding::Holding(ByteBudget& budget, world::Loop& loop, std::function<void()> leave) : budget_(budget), loop_(loop), leave_(std::move(leave)) {}

ByteBudget::Holding::~Holding() {
  CHECK(waiting_ == 0, "a holding goes while somebody waits in it");
  give_back(held());
}

bool ByteBudget::Holding::try_take(std::size_t bytes) {
  std::lock_guard hold(budget_.mutex_);
  if (ended_ || !budget_.may_have(*this, bytes)) return false;
  budget_.add(*this, bytes);
  return true;
}

world::Task<bool> ByteBudget::Holding::take(std::size_t bytes) {
  if (try_take(bytes)) co_return true;
  world::Once<bool> granted(loop_);
  {
    std::lock_guard hold(budget_.mutex_);
    if (ended_) co_return false;
    budget_.queue_.push_back({this, bytes, granted.setter()});
    budget_.let_go_on();
  }
  budget_.waits_.add();
  if (waiting_++ == 0) look_later();
  auto got = co_await granted;
  if (--waiting_ == 0) loop_.cancel(look_timer_);
  co_return got;
}

// Those who wait are the ones who look whether somebody does not move.
void ByteBudget::Holding::look_later() {
  auto look = [this] {
    {
      std::lock_guard hold(budget_.mutex_);
      budget_.show_the_door(budget_.clock_.monotonic_ns());
    }
    look_later();
  };
  look_timer_ = loop_.run_after(std::max(budget_.options_.patience / 2, std::chrono::milliseconds(1)), std::move(look));
}

std::size_t ByteBudget::Holding::take_some(std::size_t wished) {
  std::lock_guard hold(budget_.mutex_);
  if (ended_) return 0;
  auto free = budget_.options_.free_bytes > held_ ? budget_.options_.free_bytes - held_ : 0;
  bool room = budget_.queue_.empty() && budget_.taken_ < budget_.options_.bytes_max;
  auto some = room ? (budget_.options_.bytes_max - budget_.taken_) / share_of_rest : 0;
  auto bytes = std::min(wished, free + some);
  budget_.add(*this, bytes);
  return bytes;
}

void ByteBudget::Holding::take_anyway(std::size_t bytes) {
  std::lock_guard hold(budget_.mutex_);
  budget_.add(*this, bytes);
}

void ByteBudget::Holding::give_back(std::size_t bytes) {
  if (bytes == 0) return;
  std::lock_guard hold(budget_.mutex_);
  budget_.remove(*this, bytes);
}

std::size_t ByteBudget::Holding::held() const {
  std::lock_guard hold(budget_.mutex_);
  return held_;
}

bool ByteBudget::Holding::beyond() const {
  std::lock_guard hold(budget_.mutex_);
  return budget_.beyond_ == this;
}

void ByteBudget::Holding::end() {
  std::lock_guard hold(budget_.mutex_);
  ended_ = true;
  auto mine = [&](Waiter& waiter) {
    if (waiter.holding == this) waiter.granted(false);
    return waiter.holding == this;
  };
  std::erase_if(budget_.queue_, mine);
  budget_.let_go_on();
}

}  // namespace tidemill::runtime
