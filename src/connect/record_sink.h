// Where a source connector puts its records: into topics of the log, each append atomic with the source position it ends at.
//
// Owned by the connector's thread. add() gathers records per partition; commit() seals everything gathered since the last commit and
// one position record into one append. Appends are in flight together up to a bound, and always land in the order of their commits:
// the position records carry an idempotent producer's sequence, so once one append is refused the log refuses all behind it, and
// they are sent again from the first one on. What is durable is therefore always a prefix of what was committed.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "connect/interrupt.h"
#include "connect/meter.h"
#include "log/log.h"
#include "record/batch.h"
#include "world/clock.h"

namespace tidemill::connect {

// A change of so many bytes is committed apart from those before it, so that no batch has more of it than an append can take but its own.
// JSON makes six bytes of one at worst.
inline constexpr std::size_t large_change_bytes = 256u << 10;

// Kafka's murmur2, by which its producers choose a key's partition.
std::uint32_t murmur2(std::string_view bytes);

struct RecordSinkOptions {
  TenantId tenant = default_tenant;
  StreamId positions;
  Codec codec = Codec::lz4;
  std::size_t in_flight_bytes_max = 16u << 20;  // connect.append_in_flight_bytes
  std::int32_t partitions = 1;                  // of topics that are made here
  std::map<std::string, std::string> topic_configs;
  std::size_t positions_trim_every = 1024;      // records of the positions stream; more than
  std::int64_t positions_kept = 16;             // this many, which stay
  Meter* meter = nullptr;                       // is told of what is durable; may be absent
  std::function<void(const std::string& why)> on_refused;  // the log takes nothing for now; called at each new attempt
};

class RecordSink {
 public:
  // A topic that this sink writes to; made in the catalogue before its first record is committed.
  struct Topic {
    std::string name;
    std::shared_ptr<const catalog::Topic> known;
    std::vector<record::BatchBuilder> partitions;
  };

  RecordSink(log::Log& log, catalog::Catalog& catalog, world::Clock& clock, Interrupt& interrupt, RecordSinkOptions options);
  ~RecordSink();  // waits for what is in flight

  // Stays valid as long as the sink. Makes the topic if it is not there.
  Result<Topic*> topic(const std::string& name);

  // Null key: partition 0, so that the records of a table without a key keep their order.
  void add(Topic& topic, std::int64_t timestamp_ms, std::optional<std::string_view> key, std::optional<std::string_view> value,
           std::span<const record::BatchBuilder::HeaderPair> headers = {});
  std::size_t gathered_bytes() const { return gathered_bytes_; }

  // `mark` comes back from durable_mark() when this append and all before it are on disk. Waits for room first.
  // Code::cancelled when stopped while waiting. `changed_us`: when the last change happened in the source; 0: not known.
  Result<void> commit(std::string position, std::uint64_t mark, std::int64_t changed_us = 0);
  // Takes note of what the log has answered, and sends again what it refused for now. Call often.
  Result<void> collect();
  std::uint64_t durable_mark() const { return durable_mark_; }
  bool all_durable() const { return in_flight_.empty(); }
  // Waits until everything committed is durable.
  Result<void> drain();
  // Why appends are being retried; empty when they are not.
  std::string waiting_for() const;

 private:
  struct Flight {
    std::uint64_t number = 0;
    std::optional<Result<log::Appended>> answer;
    log::Append append;
    std::size_t bytes = 0;
    std::uint64_t mark = 0;
    std::uint64_t records = 0, record_bytes = 0;  // of events, the position not among them
    std::int64_t changed_us = 0;
  };
  struct Answers;  // shared with callbacks, which may outlive a stop

  Result<std::shared_ptr<const catalog::Topic>> find_or_create(const std::string& name);
  Result<std::vector<log::Entry>> seal();
  Result<void> renew(Topic& topic);
  Result<bool> reroute();
  void give_up_old_positions(log::Append& append);
  Result<void> append_oversized(std::vector<log::Entry>& entries, const std::string& position);
  Result<void> announce(const log::Entry& entry, const std::string& position);
  void launch(Flight flight, std::string_view position);
  void send(Flight& flight);
  void take_answers();
  void settle();
  Result<void> recover(Error error);
  Result<void> wait_for_room(std::size_t bytes);
  log::Entry position_entry(std::string_view position);

  log::Log& log_;
  catalog::Catalog& catalog_;
  world::Clock& clock_;
  Interrupt& interrupt_;
  RecordSinkOptions options_;
  ProducerId producer_;
  std::int32_t sequence_ = 0;
  std::map<std::string, std::unique_ptr<Topic>> topics_;
  std::vector<Topic*> touched_;
  std::map<StreamId, StreamId> renewed_;  // of topics that were deleted and made anew
  std::size_t positions_written_ = 0;     // since old ones were given up
  std::size_t gathered_bytes_ = 0;
  std::uint64_t gathered_records_ = 0;
  std::deque<Flight> in_flight_;  // numbers without a gap
  std::uint64_t next_number_ = 0;
  std::size_t in_flight_bytes_ = 0;
  std::uint64_t durable_mark_ = 0;
  std::string last_position_;  // the last one committed
  std::chrono::milliseconds retry_delay_{0};
  std::shared_ptr<Answers> answers_;
  bool first_ = true;
};

}  // namespace tidemill::connect
