// EmbeddedLog: the log on this machine's disk. A mailbox in front of the LogCore, a thread that runs it, a background thread for the
// next journal file and the Keeper, and the View that readers use from any thread.
//
// Always true: one EmbeddedLog per directory (DIR/lock); every append that was accepted is answered exactly once, also at stop().
// Files: DIR/journal, DIR/segments (docs/formats) and DIR/lock. Nothing else in DIR is touched.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "log/counters.h"
#include "log/engine.h"
#include "log/log.h"

namespace tidemill::world {
class Clock;
class Disk;
}  // namespace tidemill::world

namespace tidemill::log {

struct EmbeddedOptions {
  std::string dir;
  std::uint64_t journal_file_bytes = 64u << 20;
  std::uint64_t group_bytes_max = 4u << 20;
  std::uint64_t batch_bytes_max = 64u << 20;
  std::int64_t roll_after_ms = 6 * 3600 * 1000;
  std::size_t tail_cache_bytes = 32u << 20;
  KeeperOptions keeping;  // without the folder
  std::uint64_t waiting_bytes_max = 256u << 20;  // of appends not yet taken; beyond it they are refused with Code::unavailable
  // Called once, on a thread of the log's, when a write or sync has failed. The process should end.
  std::function<void(const Error&)> on_fatal;
};

class EmbeddedLog : public Log {
 public:
  // Recovers first. Code::busy when another process has the directory, Code::unsupported when a newer version wrote it.
  static Result<std::unique_ptr<EmbeddedLog>> open(world::Disk& disk, world::Clock& clock, EmbeddedOptions options);
  ~EmbeddedLog() override;

  // Writes what waits, answers the rest with Code::unavailable, gives the directory back. Reading stays possible.
  void stop();

  void append(Append append, AppendDone done) override;
  std::size_t append_bytes_max() const override { return options_.group_bytes_max; }
  Bounds bounds(StreamId stream) const override { return engine_->view.bounds(stream); }
  Result<std::vector<StoredBatch>> read(StreamId stream, Offset from, std::size_t bytes_max) const override {
    return engine_->view.read(stream, from, bytes_max);
  }
  Result<std::optional<StoredBatch>> find_by_time(StreamId stream, std::int64_t time_ms) const override {
    return engine_->view.find_by_time(stream, time_ms);
  }
  Jsn durable_jsn() const override { return engine_->view.durable_jsn(); }
  Result<std::vector<Group>> read_groups(Jsn from, std::size_t bytes_max) const override { return engine_->view.read_groups(from, bytes_max); }
  std::unique_ptr<Watch> watch(std::vector<StreamId> streams, std::move_only_function<void()> on_advance) override {
    return engine_->watches.add(std::move(streams), std::move(on_advance));
  }
  ProducerId new_producer_id() override;
  Incarnation incarnation() const override { return incarnation_; }

  // Until then every stream is kept for ever.
  void set_policies(Policies policies);

  // For a backup. Any thread.
  DurablePoint durable_point() const { return engine_->view.durable_point(); }
  const RecoveryReport& recovery() const;
  Keeping keeping() const;
  LogCounters counters() const;
  // Why data is refused now, with what to do about it: the disk is full, or has failed. Nothing when it is taken. Any thread.
  std::optional<Error> refusing() const;

 private:
  struct Mail {
    Append append;
    AppendDone done;
    std::uint64_t bytes = 0;
    std::optional<Error> refusal;
  };

  EmbeddedLog(world::Disk& disk, world::Clock& clock, EmbeddedOptions options);
  Result<void> start();
  void run();
  bool wait_for_background_work(std::optional<std::int64_t> at);
  void run_background();
  bool wait_for_work(bool more);
  void empty_mailbox();
  bool drain();
  void report_fatal();
  void note_refusal();
  void wake();
  void wake_background();

  world::Disk& disk_;
  world::Clock& clock_;
  EmbeddedOptions options_;
  std::shared_ptr<void> lock_;
  std::unique_ptr<Engine> engine_;  // its core is the log thread's alone once that runs
  Incarnation incarnation_;
  std::uint64_t producer_ids_of_ = 0;  // the upper half of this run's producer ids
  std::atomic<std::uint32_t> producer_ids_{0};
  bool fatal_reported_ = false, keeper_reported_ = false;

  mutable std::mutex refusal_mutex_;
  std::optional<Error> refusal_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Mail> mailbox_;
  std::uint64_t mailbox_bytes_ = 0;
  bool poked_ = false;  // something other than mail happened
  bool stopping_ = false;
  bool stopped_ = false;

  std::mutex background_mutex_;
  std::condition_variable background_wake_;
  bool background_work_ = true;
  bool background_stopping_ = false;

  std::thread thread_;
  std::thread background_;
};

}  // namespace tidemill::log
