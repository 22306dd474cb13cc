// Backup and restore on the real disk: what is in a backup is all that was there at its moment, bit for bit, and nothing that came later.
#include "log/backup.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <thread>

#include "log/embedded_log.h"
#include "log/scrub.h"
#include "log/test_batches.h"
#include "world/hard_link.h"
#include "world/real.h"

namespace tidemill::log {
namespace {

// (stream, base offset) to the batch and its group.
struct Stored {
  Jsn jsn;
  std::string bytes;
  bool operator==(const Stored&) const = default;
};
using Everything = std::map<std::pair<std::uint64_t, std::int64_t>, Stored>;

struct Backup : testing::Test {
  static constexpr std::uint64_t streams = 5;
  std::string place, dir, to, restored;
  EmbeddedOptions options;
  std::unique_ptr<EmbeddedLog> log;

  Backup() {
    char name[] = "/tmp/tm-backup-XXXXXX";
    place = mkdtemp(name);
    dir = place + "/data", to = place + "/backup", restored = place + "/restored";
    options.dir = dir;
    options.journal_file_bytes = 256 << 10;
    options.group_bytes_max = 64 << 10;
  }
  ~Backup() override {
    log.reset();
    std::filesystem::remove_all(place);
  }

  void open(const std::string& where) {
    log.reset();
    options.dir = where;
    auto opened = EmbeddedLog::open(world::real_disk(), world::real_clock(), options);
    ASSERT_TRUE(opened) << opened.error().text();
    log = std::move(*opened);
  }
  Jsn put(int i) {
    auto done = append_and_wait(*log, one(StreamId{static_cast<std::uint64_t>(i) % streams}, batch_of(1 + i % 3, std::to_string(i) + std::string(static_cast<std::size_t>(i * 37 % 3000), 'v'))));
    EXPECT_TRUE(done) << done.error().text();
    return done ? done->jsn : Jsn{};
  }
  Result<BackupList> backup(bool links = true) {
    CopyWatch watch;
    if (links) watch.link = world::hard_link;
    return write_backup({world::real_disk(), world::real_clock(), dir, [this] { return log->durable_point(); }, 77}, to, std::move(watch));
  }
  Result<BackupList> restore(std::optional<Jsn> last = std::nullopt) { return restore_backup(world::real_disk(), world::real_clock(), to, restored, last, {}); }

  Everything read() {
    Everything all;
    for (std::uint64_t s = 0; s < streams; ++s) {
      auto bounds = log->bounds(StreamId{s});
      for (auto at = bounds.start; at < bounds.end;) {
        auto batches = log->read(StreamId{s}, at, 1 << 20);
        EXPECT_TRUE(batches) << batches.error().text();
        if (!batches || batches->empty()) break;
        for (auto& b : *batches) {
          all[{s, b.base.value}] = {b.jsn, std::string(b.bytes.text())};
          at = b.base + record::read_header(b.bytes.bytes())->records_count;
        }
      }
    }
    return all;
  }
  static Everything up_to(Everything all, Jsn jsn) {
    std::erase_if(all, [&](auto& one) { return one.second.jsn > jsn; });
    return all;
  }
  std::uint64_t damage_in(const std::string& where) {
    log.reset();
    auto report = scrub(world::real_disk(), where, {[](const Finding& f) { if (f.kind == Finding::Kind::damage) ADD_FAILURE() << f.file << " " << f.position << " " << f.what; }});
    EXPECT_TRUE(report) << report.error().text();
    return report ? report->damage : 1;
  }
};

TEST_F(Backup, one_taken_while_files_are_sorted_merged_and_used_again_has_everything_up_to_its_group) {
  options.keeping.sort_bytes = 300 << 10;
  options.keeping.merge_runs = 2;
  open(dir);
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> acknowledged = 0;
  std::atomic<int> written = 0;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) acknowledged = put(i).value, ++written;
  });
  while (written < 1500) std::this_thread::yield();
  auto before = Jsn{acknowledged.load()};
  auto made = backup();
  auto until = written + 200;
  while (written < until) std::this_thread::yield();
  stop = true;
  writer.join();
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_GE(made->jsn, before);
  EXPECT_LT(made->jsn, log->durable_jsn());
  EXPECT_GT(log->keeping().files_reused, 0u);
  auto expected = up_to(read(), made->jsn);
  auto epoch = log->bounds(StreamId{1}).leader_epoch;
  auto incarnation = log->incarnation();
  ASSERT_TRUE(restore());
  EXPECT_EQ(damage_in(restored), 0u);
  open(restored);
  EXPECT_TRUE(log->recovery().corruption.empty());
  EXPECT_TRUE(read() == expected);
  EXPECT_GT(log->incarnation(), incarnation);
  EXPECT_GT(log->bounds(StreamId{1}).leader_epoch, epoch);
  put(1);
  EXPECT_EQ(read().size(), expected.size() + 1);
  EXPECT_EQ(damage_in(dir), 0u);
}

TEST_F(Backup, it_can_be_restored_up_to_any_group_of_its_journal_and_to_no_other) {
  options.keeping.sort_bytes = 1u << 30;
  open(dir);
  for (int i = 0; i < 200; ++i) put(i);
  open(dir);  // a clean stop lies in between
  auto stopped = Jsn{log->durable_jsn().value - 1};
  for (int i = 200; i < 700; ++i) put(i);
  auto made = backup(false);
  ASSERT_TRUE(made) << made.error().text();
  auto all = read();
  auto epoch = log->bounds(StreamId{1}).leader_epoch;
  for (auto last : {Jsn{1}, Jsn{57}, stopped - 1, stopped, stopped + 1, Jsn{300}, made->jsn - 1, made->jsn}) {
    auto cut = restore(last);
    ASSERT_TRUE(cut) << cut.error().text();
    EXPECT_EQ(damage_in(restored), 0u);
    open(restored);
    EXPECT_TRUE(read() == up_to(all, last)) << last.value;
    EXPECT_GT(log->bounds(StreamId{1}).leader_epoch, epoch) << last.value;
    log.reset();
    std::filesystem::remove_all(restored);
  }
  EXPECT_EQ(restore(made->jsn + 1).error().code, Code::out_of_range);
  EXPECT_EQ(restore(Jsn{0}).error().code, Code::out_of_range);
  EXPECT_FALSE(std::filesystem::exists(restored));
}

TEST_F(Backup, groups_that_are_sorted_cannot_be_taken_apart_again) {
  options.keeping.sort_bytes = 300 << 10;
  open(dir);
  for (int i = 0; i < 1500; ++i) put(i);
  for (int i = 0; log->keeping().files_sorted == 0; ++i) put(i);
  auto made = backup();
  ASSERT_TRUE(made);
  EXPECT_GT(made->earliest, Jsn{1});
  auto refused = restore(made->earliest - 1);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().hint.find(std::to_string(made->earliest.value)), std::string::npos) << refused.error().text();
  auto all = read();
  ASSERT_TRUE(restore(made->earliest));
  open(restored);
  EXPECT_TRUE(read() == up_to(all, made->earliest));
}

TEST_F(Backup, one_damaged_byte_anywhere_is_refused_and_nothing_is_left_behind) {
  options.keeping.sort_bytes = 300 << 10;
  open(dir);
  for (int i = 0; i < 600; ++i) put(i);
  ASSERT_TRUE(backup(false));
  for (auto& entry : std::filesystem::recursive_directory_iterator(to)) {
    if (!entry.is_regular_file()) continue;
    auto flip = [&] {
      auto file = world::real_disk().open(entry.path(), world::Open::write);
      std::byte byte{};
      auto at = entry.file_size() / 2;
      ASSERT_TRUE((*file)->read_at(at, std::span(&byte, 1)));
      byte ^= std::byte{4};
      ASSERT_TRUE((*file)->write_at(at, std::span(&byte, 1)));
    };
    flip();
    auto refused = restore();
    ASSERT_FALSE(refused) << entry.path();
    EXPECT_EQ(refused.error().code, Code::corrupt);
    EXPECT_FALSE(std::filesystem::exists(restored));
    EXPECT_FALSE(std::filesystem::exists(restored + ".restoring"));
    flip();
  }
  EXPECT_TRUE(restore());
}

TEST_F(Backup, nothing_that_exists_is_written_over) {
  open(dir);
  put(1);
  std::filesystem::create_directory(to);
  EXPECT_EQ(backup().error().code, Code::already_exists);
  EXPECT_TRUE(std::filesystem::is_empty(to));
  std::filesystem::remove(to);
  ASSERT_TRUE(backup());
  std::filesystem::create_directories(restored + "/mine");
  EXPECT_EQ(restore().error().code, Code::already_exists);
  std::filesystem::remove(restored + "/mine");
  EXPECT_TRUE(restore());  // an empty folder may be there
  std::filesystem::remove(to + "/backup");
  std::filesystem::remove_all(restored);
  EXPECT_EQ(restore().error().code, Code::not_found);
}

TEST_F(Backup, one_that_is_given_up_leaves_nothing) {
  open(dir);
  for (int i = 0; i < 600; ++i) put(i);
  CopyWatch watch;
  watch.pause = [](auto) { return false; };
  auto given_up = write_backup({world::real_disk(), world::real_clock(), dir, [this] { return log->durable_point(); }, 77}, to, std::move(watch));
  EXPECT_EQ(given_up.error().code, Code::cancelled);
  EXPECT_FALSE(std::filesystem::exists(to));
}

TEST(BackupList, a_path_that_leads_out_of_the_folder_is_refused) {
  BackupList list{Jsn{9}, Jsn{3}, 17, {{"journal/0000000000000001.journal", 10, 0xabc}, {"segments/manifest", 20, 5}}};
  auto text = encode_backup_list(list);
  auto back = decode_backup_list(text);
  ASSERT_TRUE(back) << back.error().text();
  EXPECT_EQ(back->files[0].crc, 0xabcu);
  EXPECT_EQ(back->files[1].path, "segments/manifest");
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto bad = text;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_FALSE(decode_backup_list(bad)) << i;
  }
  list.files[1].path = "segments/../../etc/passwd";
  EXPECT_FALSE(decode_backup_list(encode_backup_list(list)));
}

}  // namespace
}  // namespace tidemill::log
