// The network of a SimulatedWorld. Bytes travel in fragments of random size; each direction keeps its order, but which direction moves
// next is chance. Belongs to simulated.cc; tests see it as a Net.
#pragma once

#include <coroutine>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "world/simulated.h"

namespace tidemill::world {

// One task that waits on one loop.
class SimulatedWaiter {
 public:
  explicit SimulatedWaiter(Loop& loop) : loop_(&loop) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h);
  void await_resume() const noexcept {}
  void wake();

 private:
  Loop* loop_;
  std::coroutine_handle<> task_;
};

// One direction of a connection.
struct SimulatedPipe {
  std::deque<std::string> under_way;
  std::size_t under_way_bytes = 0;
  std::string arrived;
  bool end_sent = false;      // the writer has closed; it arrives after what is under way
  bool end_arrived = false;
  bool broken = false;
  bool abandoned = false;     // the reader has closed
  SimulatedWaiter* reader = nullptr;
  SimulatedWaiter* writer = nullptr;

  bool can_move() const { return !under_way.empty() || (end_sent && !end_arrived); }
  void move_one();  // the next fragment, or the end, arrives
  void wake_both();
};

struct SimulatedPort;

class SimulatedNet final : public Net {
 public:
  explicit SimulatedNet(SimulatedRandom& random) : random_(random) {}
  Result<std::unique_ptr<Listener>> listen(Loop& loop, Address address) override;
  Task<Result<std::unique_ptr<Connection>>> connect(Loop& loop, Address address) override;

  std::vector<SimulatedPipe*> movable();
  void break_all();

 private:
  std::shared_ptr<SimulatedPipe> make_pipe();

  SimulatedRandom& random_;
  std::vector<std::weak_ptr<SimulatedPipe>> pipes_;
  std::map<std::uint16_t, std::weak_ptr<SimulatedPort>> ports_;
  std::uint16_t next_port_ = 40000;
};

}  // namespace tidemill::world
