#include "catalog/catalog.h"

#include <fmt/core.h>

#include <atomic>
#include <charconv>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#include "base/check.h"
#include "bytes/crc32c.h"
#include "catalog/state.h"
#include "record/batch.h"

namespace tidemill::catalog {
namespace {

constexpr std::size_t snapshot_bytes_max = std::size_t{4} << 30;
constexpr std::size_t read_bytes = 1 << 20;
constexpr std::string_view snapshot_head = "tidemill-catalog 1 ";
constexpr std::uint64_t streams_of_lost_record = 1 << 20;  // more than one record can have made

// Snapshot: "tidemill-catalog 1 <crc32c hex> <next record> <next stream>\n", then per tenant "#<tenant> <changes>\n", then one
// document a line. The checksum covers everything behind it.
std::string write_snapshot(const State& s) {
  auto body = fmt::format(" {} {}\n", s.next_record.value, s.next_stream);
  for (auto& [tenant, count] : s.changes) body += fmt::format("#{} {}\n", tenant.value, count);
  auto add = [&](const auto& shelf) {
    for (auto& [key, thing] : shelf) body += write_document(*thing) + "\n";
  };
  add(s.topics);
  add(s.sources);
  add(s.queries);
  add(s.connectors);
  return fmt::format("{}{:08x}", snapshot_head, crc32c(as_bytes(body))) + body;
}

Result<State> read_snapshot(std::string_view text) {
  auto bad = [](std::string why) { return fail(Code::corrupt, "catalogue snapshot: " + std::move(why)); };
  constexpr auto covered_from = snapshot_head.size() + 8;
  if (!text.starts_with(snapshot_head) || text.size() < covered_from) return bad("unknown header");
  auto body = text.substr(covered_from);
  if (fmt::format("{:08x}", crc32c(as_bytes(body))) != text.substr(snapshot_head.size(), 8)) return bad("checksum");
  auto end = body.find('\n');
  long long next_record = 0;
  unsigned long long next_stream = 0;
  if (std::sscanf(std::string(body.substr(0, end)).c_str(), "%lld %llu", &next_record, &next_stream) != 2) return bad("unknown header");
  body.remove_prefix(std::min(body.size(), end + 1));
  State state;
  std::map<TenantId, std::int64_t> changes;
  while (!body.empty()) {
    auto line = body.substr(0, body.find('\n'));
    body.remove_prefix(std::min(body.size(), line.size() + 1));
    if (line.starts_with('#')) {
      unsigned tenant = 0;
      long long count = 0;
      if (std::sscanf(std::string(line).c_str(), "#%u %lld", &tenant, &count) != 2) return bad("tenant line");
      changes[TenantId(tenant)] = count;
      continue;
    }
    TRY_ASSIGN(record, read_document(line));
    state.apply(record);
  }
  state.changes = std::move(changes);
  state.next_stream = next_stream;
  state.next_record = Offset(next_record);
  return state;
}

class LogCatalog final : public Catalog {
 public:
  LogCatalog(log::Log& log, world::Disk& disk, world::Clock& clock, world::Random& random, std::string dir)
      : log_(log), disk_(disk), clock_(clock), random_(random), dir_(std::move(dir)) {}

  Result<void> load() {
    TRY(disk_.make_dirs(dir_));
    TRY_ASSIGN(there, disk_.exists(snapshot_path()));
    if (there) {
      // A snapshot that cannot be read is only a slower start: the stream has everything.
      if (auto text = world::read_file(disk_, snapshot_path(), snapshot_bytes_max)) {
        if (auto state = read_snapshot(*text); state && state->next_record <= log_.bounds(catalog_stream).end) state_ = std::move(*state);
      }
    }
    TRY(follow(state_));
    durable_ = state_;
    return {};
  }

  void change(std::vector<Change> changes, Done done) override {
    // Held until the append is handed over, so that the stream has the changes in the order in which they were seen.
    std::unique_lock order(order_);
    record::BatchBuilder batch;
    log::Append append;
    auto prepared = prepare_all(changes, batch, append.marks);
    if (!prepared || batch.count() == 0) {
      order.unlock();
      return prepared ? done(log_.durable_jsn()) : done(std::move(prepared).error());
    }
    append.entries.push_back({system_tenant, catalog_stream, batch.finish()});
    append.purpose = log::Purpose::control;
    log_.append(std::move(append), [this, d = std::move(done)](Result<log::Appended> appended) mutable {
      settle(appended.has_value());
      if (appended) return d(appended->jsn);
      d(std::move(appended).error());
    });
  }

  std::shared_ptr<const Topic> find_topic(TenantId tenant, std::string_view name) const override { return find(&State::topics, tenant, name); }
  std::shared_ptr<const Source> find_source(TenantId tenant, std::string_view name) const override { return find(&State::sources, tenant, name); }
  std::shared_ptr<const Query> find_query(TenantId tenant, std::string_view id) const override { return find(&State::queries, tenant, id); }
  std::shared_ptr<const Connector> find_connector(TenantId tenant, std::string_view name) const override { return find(&State::connectors, tenant, name); }
  std::shared_ptr<const Topic> find_topic(const Uuid& uuid) const override {
    std::lock_guard hold(mutex_);
    auto at = state_.by_uuid.find(uuid);
    return at == state_.by_uuid.end() ? nullptr : at->second;
  }

  std::shared_ptr<const Topic> topic_of(StreamId stream) const override {
    std::lock_guard hold(mutex_);
    return state_.topic_of(stream);
  }

  std::vector<std::shared_ptr<const Topic>> topics(TenantId tenant) const override { return of_tenant(&State::topics, tenant); }
  std::vector<std::shared_ptr<const Source>> sources(TenantId tenant) const override { return of_tenant(&State::sources, tenant); }
  std::vector<std::shared_ptr<const Query>> queries(TenantId tenant) const override { return of_tenant(&State::queries, tenant); }
  std::vector<std::shared_ptr<const Connector>> connectors(TenantId tenant) const override { return of_tenant(&State::connectors, tenant); }
  std::vector<std::shared_ptr<const Query>> all_queries() const override { return in_order_made(&State::queries); }
  std::vector<std::shared_ptr<const Connector>> all_connectors() const override { return in_order_made(&State::connectors); }

  std::int64_t next_number(TenantId tenant) const override {
    std::lock_guard hold(mutex_);
    auto at = state_.changes.find(tenant);
    return at == state_.changes.end() ? 0 : at->second;
  }

  std::int64_t lost_records() const override { return lost_records_; }

  Result<void> snapshot() override {
    State copy;
    {
      std::lock_guard hold(mutex_);
      copy = durable_;  // what is not durable must not be in a snapshot: after a crash the stream would lack it
    }
    return world::replace_file(disk_, snapshot_path(), write_snapshot(copy));
  }

 private:
  std::string snapshot_path() const { return dir_ + "/snapshot"; }

  // `batch` and `marks` become one append. On a copy, which shares every entry: all of the changes hold, or none is ever seen.
  Result<void> prepare_all(const std::vector<Change>& changes, record::BatchBuilder& batch, std::vector<log::Mark>& marks) {
    std::lock_guard hold(mutex_);
    if (failed_ && in_flight_ > 0) return fail(Code::unavailable, "an earlier change of the catalogue has just failed", "try again");
    if (failed_) TRY(go_back());
    State next = state_;
    for (auto& c : changes) {
      TRY_ASSIGN(record, prepare(next, c, Filler{clock_.now_ms(), random_}));
      for (auto stream : next.abandoned_by(record)) marks.push_back({log::Mark::Kind::forget, stream, Offset(0)});
      next.apply(record);
      batch.add(clock_.now_ms(), std::nullopt, write_document(record));
    }
    next.next_record += batch.count();
    state_ = std::move(next);
    if (batch.count() > 0) ++in_flight_;
    return {};
  }

  Result<void> follow(State& state) const {
    while (state.next_record < log_.bounds(catalog_stream).end) {
      auto batches = log_.read(catalog_stream, state.next_record, read_bytes);
      if (!batches && batches.error().code == Code::corrupt) {
        pass_damage(state);
        continue;
      }
      if (!batches) return batches.error();
      CHECK(!batches->empty());
      for (auto& batch : *batches) TRY(apply_batch(state, batch));
    }
    return {};
  }

  // One definition is lost; the others are served. The streams that it may have made must never get another owner.
  void pass_damage(State& state) const {
    ++lost_records_;
    state.next_record += 1;
    state.next_stream += streams_of_lost_record;
  }

  static Result<void> apply_batch(State& state, const log::StoredBatch& batch) {
    TRY_ASSIGN(records, record::BatchRecords::open(batch.bytes, batch.base));
    record::RecordView view;
    for (;;) {
      TRY_ASSIGN(more, records.next(view));
      if (!more) return {};
      if (view.offset < state.next_record.value) continue;
      if (!view.value) return fail(Code::corrupt, "catalogue record without a document");
      TRY_ASSIGN(record, read_document(*view.value));
      state.apply(record);
      state.next_record = Offset(view.offset + 1);
    }
  }

  // An append of ours was answered. When one has failed, what it promised is not there, and those behind it were prepared on top of it:
  // once all are answered, go back to what the log holds.
  void settle(bool appended) {
    std::lock_guard hold(mutex_);
    failed_ |= !appended;
    if (--in_flight_ > 0) return;
    if (failed_) (void)go_back().has_value();  // else tried again before the next change
    else durable_ = state_;
  }

  Result<void> go_back() {
    auto state = durable_;
    TRY(follow(state));
    state_ = durable_ = std::move(state);
    failed_ = false;
    return {};
  }

  template <class T>
  std::shared_ptr<const T> find(Shelf<T> State::*shelf, TenantId tenant, std::string_view name) const {
    std::lock_guard hold(mutex_);
    auto& all = state_.*shelf;
    auto at = all.find(Key{tenant, std::string(name)});
    return at == all.end() ? nullptr : at->second;
  }

  template <class T>
  std::vector<std::shared_ptr<const T>> of_tenant(Shelf<T> State::*shelf, TenantId tenant) const {
    std::lock_guard hold(mutex_);
    std::vector<std::shared_ptr<const T>> out;
    auto& all = state_.*shelf;
    for (auto at = all.lower_bound(Key{tenant, ""}); at != all.end() && at->first.first == tenant; ++at) out.push_back(at->second);
    return out;
  }

  template <class T>
  std::vector<std::shared_ptr<const T>> in_order_made(Shelf<T> State::*shelf) const {
    std::lock_guard hold(mutex_);
    std::vector<std::shared_ptr<const T>> out;
    for (auto& [key, thing] : state_.*shelf) out.push_back(thing);
    // Stream ids only rise, so they tell who came first.
    std::sort(out.begin(), out.end(), [](auto& a, auto& b) { return a->positions < b->positions; });
    return out;
  }

  log::Log& log_;
  world::Disk& disk_;
  world::Clock& clock_;
  world::Random& random_;
  std::string dir_;
  std::mutex order_;          // of changes; taken before mutex_
  mutable std::mutex mutex_;  // guards what is below
  State state_;               // with the changes that are being appended
  State durable_;             // as the log had it when nothing was being appended
  int in_flight_ = 0;
  bool failed_ = false;       // an append, and state_ still has its change
  mutable std::atomic<std::int64_t> lost_records_{0};
};

}  // namespace

Result<std::unique_ptr<Catalog>> Catalog::open(log::Log& log, world::Disk& disk, world::Clock& clock, world::Random& random, std::string dir) {
  auto catalog = std::make_unique<LogCatalog>(log, disk, clock, random, std::move(dir));
  TRY(catalog->load());
  return std::unique_ptr<Catalog>(std::move(catalog));
}

Result<Jsn> Catalog::change_and_wait(std::vector<Change> changes) {
  struct Waiting {
    std::mutex mutex;
    std::condition_variable arrived;
    std::optional<Result<Jsn>> result;
  };
  auto waiting = std::make_shared<Waiting>();
  change(std::move(changes), [waiting](Result<Jsn> result) {
    std::lock_guard hold(waiting->mutex);
    waiting->result = std::move(result);
    waiting->arrived.notify_one();
  });
  std::unique_lock hold(waiting->mutex);
  waiting->arrived.wait(hold, [&] { return waiting->result.has_value(); });
  return std::move(*waiting->result);
}

}  // namespace tidemill::catalog
