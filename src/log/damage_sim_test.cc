// One random fault in a whole journal, from 100 seeds: a bit, a few blocks, a file cut short, a file gone. The start succeeds, what the
// fault did not touch is served unchanged, what it touched is an error and never something else, and the log goes on.
#include <gtest/gtest.h>

#include <fmt/core.h>

#include <map>
#include <random>

#include "log/scan.h"
#include "log/test_core_rig.h"

namespace tidemill::log {
namespace {

// More on request: TIDEMILL_SEEDS=4000 build/log_test --gtest_filter='*DamageSeeds*'
const std::uint64_t seeds = std::getenv("TIDEMILL_SEEDS") ? std::strtoull(std::getenv("TIDEMILL_SEEDS"), nullptr, 10) : 100;

enum class Fault { bit, blocks, cut, gone };

class DamageSim : CoreRig {
 public:
  DamageSim(std::uint64_t seed, Fault fault) : random_(seed), fault_(fault) {
    options.journal_file_bytes = block_bytes * (16 + below(30));
    options.group_bytes_max = 8 * block_bytes;
  }

  std::string run() {
    write();
    if (broken_.empty()) damage();
    for (int start = 0; start < 3 && broken_.empty(); ++start) {
      if (auto opened = open(); !opened) return "the start failed: " + opened.error().text();
      verify(start);
      go_on();
      close();
    }
    return broken_.empty() ? "" : fmt::format("{} [{}]", broken_, what_);
  }
  std::uint64_t lost() const { return lost_; }
  std::uint64_t kept() const { return kept_; }

 private:
  static constexpr std::uint64_t streams = 5;
  struct Known {
    Offset base;
    Slice batch;
    Jsn jsn;
    std::uint64_t file = 0, from = 0, to = 0;  // of its group
    bool touched = false;
    Offset end() const { return base + record::read_header(batch.bytes())->records_count; }
  };

  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  bool chance(std::uint64_t percent) { return below(100) < percent; }
  void broke(std::string what) { if (broken_.empty()) broken_ = std::move(what); }
  void close() {
    go_idle();
    go_idle();
    parts.reset();
    disk.kill();
  }

  void write() {
    auto files = 1 + below(5);
    auto lives = 1 + below(3);
    for (std::uint64_t life = 0; life < lives; ++life) {
      if (!open()) return broke("no start before any damage");
      for (int i = 0; i < 400 && parts->core->counters().files_sealed < files; ++i) put_some();
      for (auto more = below(12); more > 0; --more) put_some();
      leader_epoch_ = view().bounds(StreamId{0}).leader_epoch;
      close();
    }
    find_places();
  }

  void put_some() {
    Append append;
    for (auto parts_left = 1 + below(3); parts_left > 0; --parts_left)
      append.entries.push_back({default_tenant, StreamId{below(streams)}, batch_of(1 + static_cast<int>(below(3)), fmt::format("value {} {}", ++id_, std::string(below(chance(10) ? 3000 : 100), 'v')))});
    auto kept = append.entries;
    auto done = put(std::move(append));
    if (!done) return broke("an append failed: " + done.error().text());
    for (std::size_t i = 0; i < kept.size(); ++i) known_[kept[i].stream].push_back({done->base_offsets[i], kept[i].batch, done->jsn});
  }

  // Which group lies where, as the finished files say.
  void find_places() {
    std::map<Jsn, std::array<std::uint64_t, 3>> places;
    for (auto& name : disk.list(journal_folder(options.dir)).value()) {
      auto number = *number_of_journal_name(name);
      auto file_open = disk.open(file(number), world::Open::read);
      auto size = (*file_open)->size().value();
      FileScan scan(**file_open, size, std::nullopt);
      for (auto found = scan.next(block_bytes); found; found = scan.next(found->end())) {
        places[found->group.header.jsn] = {number, found->position, found->end()};
        last_file_ = number;
        data_end_ = found->end();
      }
      files_.push_back(number);
    }
    for (auto& [stream, all] : known_)
      for (auto& k : all) {
        if (!places.contains(k.jsn)) return broke("an acknowledged group is nowhere");
        k.file = places[k.jsn][0], k.from = places[k.jsn][1], k.to = places[k.jsn][2];
      }
  }

  void touch(std::uint64_t number, std::uint64_t from, std::uint64_t to) {
    for (auto& [stream, all] : known_)
      for (auto& k : all) k.touched |= k.file == number && k.from < to && from < k.to;
  }

  void damage() {
    std::erase_if(files_, [&](auto number) { return number > last_file_; });  // a spare is not worth damaging
    auto number = files_[below(files_.size())];
    auto size = disk.content(file(number)).size();
    auto used = number == last_file_ ? data_end_ : size;
    auto position = below(used);
    if (chance(50)) {  // heads and tables of groups are few bytes, and the most delicate
      auto group = disk.content(file(number)).find("Tmgr", position);
      if (group != std::string::npos && group + 300 < used) position = group + below(300);
    }
    if (fault_ == Fault::bit) {
      what_ = fmt::format("bit at {} of file {}", position, number);
      disk.flip(file(number), position, static_cast<std::byte>(1u << below(8)));
      touch(number, position, position + 1);
    } else if (fault_ == Fault::blocks) {
      position = position / block_bytes * block_bytes;
      auto count = std::min(1 + below(2), (size - position) / block_bytes);
      what_ = fmt::format("{} blocks at {} of file {}", count, position, number);
      std::string junk(count * block_bytes, '\0');
      if (chance(50)) for (auto& c : junk) c = static_cast<char>(below(256));
      auto opened = disk.open(file(number), world::Open::write);
      (void)(*opened)->write_at(position, as_bytes(junk));
      touch(number, position, position + junk.size());
    } else if (fault_ == Fault::cut) {
      what_ = fmt::format("file {} of {} bytes cut to {}", number, size, position);
      auto opened = disk.open(file(number), world::Open::write);
      (void)(*opened)->truncate(position);
      touch(number, position, size);
    } else {
      what_ = fmt::format("file {} removed", number);
      (void)disk.remove(file(number));
      touch(number, 0, size);
    }
    what_ += fmt::format(", the last is {} with data up to {}", last_file_, data_end_);
  }

  void verify(int start) {
    for (auto& [stream, all] : known_)
      for (auto& k : all) {
        auto read = view().read(stream, k.base, 1);
        bool same = read && !read->empty() && read->front().base == k.base && meaning(read->front().bytes) == meaning(k.batch);
        if (!same && !k.touched)
          broke(fmt::format("start {}: stream {} offset {} was not touched and is not served: {}", start, stream.value, k.base.value, read ? "other bytes" : read.error().text()));
        if (!same && read && !read->empty() && !reused(stream, k)) broke(fmt::format("stream {} offset {} is something else now", stream.value, k.base.value));
        (same ? kept_ : lost_) += 1;
        auto group = view().read_groups(k.jsn, 1);
        if (!group && !k.touched) broke(fmt::format("start {}: group {} was not touched and is not served: {}", start, k.jsn.value, group.error().text()));
      }
    auto epoch = view().bounds(StreamId{0}).leader_epoch;
    if (epoch != leader_epoch_ + 1) broke("the leader epoch does not rise by one at a start that follows no clean stop");
    leader_epoch_ = epoch;
  }

  // Base offset, length and leader epoch of a stored batch are not under its checksum, and nobody believes the first and the last.
  static std::string_view meaning(const Slice& batch) { return batch.text().substr(16); }

  // Where the end of the log itself is gone, nobody can know its offsets: they come again, under a higher leader epoch.
  bool reused(StreamId stream, const Known& k) const {
    return k.touched && written_after_.contains(stream) && written_after_.at(stream) <= k.base;
  }

  void go_on() {
    for (std::uint64_t s = 0; s < streams; ++s) {
      auto batch = batch_of(1, fmt::format("after {}", ++id_));
      auto done = put(s, batch);
      if (!done) return broke("an append after the damage failed: " + done.error().text());
      auto base = done->base_offsets[0];
      auto& all = known_[StreamId{s}];
      for (auto& k : all)
        if (!k.touched && k.end() > base) broke(fmt::format("stream {} offset {} was given out twice", s, base.value));
      written_after_.try_emplace(StreamId{s}, base);
      std::erase_if(all, [&](auto& k) { return k.touched && k.end() > base; });
      auto read = view().read(StreamId{s}, base, 1);
      if (!read || read->front().bytes.text() != batch.text()) broke("what was appended after the damage is not served");
      all.push_back({base, batch, done->jsn});
    }
  }

  std::mt19937_64 random_;
  Fault fault_;
  std::uint64_t id_ = 0, last_file_ = 0, data_end_ = 0, lost_ = 0, kept_ = 0;
  std::int32_t leader_epoch_ = 0;
  std::map<StreamId, std::vector<Known>> known_;
  std::map<StreamId, Offset> written_after_;
  std::vector<std::uint64_t> files_;
  std::string what_, broken_;
};

class DamageSeeds : public testing::TestWithParam<std::pair<const char*, Fault>> {};

TEST_P(DamageSeeds, no_fault_costs_more_than_it_touched) {
  std::uint64_t lost = 0, kept = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    DamageSim sim(seed, GetParam().second);
    ASSERT_EQ(sim.run(), "") << "seed " << seed;
    lost += sim.lost();
    kept += sim.kept();
  }
  fmt::print("{} reads of {} could not be answered\n", lost, lost + kept);
  EXPECT_GT(lost, seeds / 2) << "the faults did not hit";
}

INSTANTIATE_TEST_SUITE_P(Faults, DamageSeeds,
                         testing::Values(std::pair{"bit", Fault::bit}, std::pair{"blocks", Fault::blocks}, std::pair{"cut", Fault::cut}, std::pair{"gone", Fault::gone}),
                         [](auto& info) { return std::string(info.param.first); });

}  // namespace
}  // namespace tidemill::log
