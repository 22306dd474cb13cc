#include "app/scrub_command.h"

#include <fmt/core.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "app/snapshot_check.h"
#include "log/scrub.h"
#include "world/disk.h"
#include "world/real.h"

namespace tidemill::app {
namespace {

using nlohmann::json;

constexpr std::size_t ranges_shown = 20;

class Printer {
 public:
  Printer(StreamNames names, bool as_json) : names_(std::move(names)), json_(as_json) {}

  void finding(const log::Finding& finding) {
    if (json_) fmt::print("{}\n", as_json(finding));
    else fmt::print("{}\n", as_line(finding));
  }

  void progress(std::uint64_t done, std::uint64_t all) {
    auto now = std::chrono::steady_clock::now();
    if (now - last_ < std::chrono::seconds(1)) return;
    last_ = now;
    fmt::print(stderr, "  {} of {} MiB read\n", done >> 20, all >> 20);
  }

  void summary(const log::ScrubReport& report) {
    if (json_) {
      json line{{"kind", "summary"}, {"journal_files", report.journal_files}, {"segments", report.segments}, {"bytes", report.bytes}, {"groups", report.groups},
                {"batches", report.batches}, {"streams", report.streams}, {"damage", report.damage}, {"notes", report.notes}};
      fmt::print("{}\n", line.dump());
      return;
    }
    fmt::print("{}: {} journal files and {} segments with {} batches of {} streams, {} MiB read; {} damaged, {} notes\n", report.damage == 0 ? "clean" : "DAMAGED",
               report.journal_files, report.segments, report.batches, report.streams, report.bytes >> 20, report.damage, report.notes);
  }

 private:
  static const char* kind_of(const log::Finding& finding) { return finding.kind == log::Finding::Kind::damage ? "damage" : "note"; }

  std::string as_line(const log::Finding& finding) const {
    auto line = fmt::format("{}: ", kind_of(finding));
    if (!finding.file.empty()) line += finding.file + (finding.bytes > 0 ? fmt::format(" at {} ({} bytes): ", finding.position, finding.bytes) : ": ");
    line += finding.what;
    for (std::size_t i = 0; i < std::min(finding.lost.size(), ranges_shown); ++i) {
      auto& range = finding.lost[i];
      line += fmt::format("\n    {}: offsets {} to {}", name_of(range.stream), range.from.value, range.to.value - 1);
    }
    if (finding.lost.size() > ranges_shown) line += fmt::format("\n    and {} more; --json has them all", finding.lost.size() - ranges_shown);
    return line;
  }

  std::string as_json(const log::Finding& finding) const {
    json line{{"kind", kind_of(finding)}, {"file", finding.file}, {"position", finding.position}, {"bytes", finding.bytes}, {"what", finding.what}};
    auto lost = json::array();
    for (auto& range : finding.lost) {
      json one{{"stream", range.stream.value}, {"from", range.from.value}, {"to", range.to.value}};
      if (auto* owner = names_.find(range.stream)) one["topic"] = owner->topic, one["partition"] = owner->partition;
      lost.push_back(std::move(one));
    }
    line["lost"] = std::move(lost);
    return line.dump(-1, ' ', false, json::error_handler_t::replace);
  }

  std::string name_of(StreamId stream) const {
    if (auto* owner = names_.find(stream)) return fmt::format("{}/{} (stream {})", owner->topic, owner->partition, stream.value);
    return fmt::format("stream {}", stream.value);
  }

  StreamNames names_;
  bool json_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

int could_not(const Error& error) {
  fmt::print(stderr, "tidemill: {}\n", error.message);
  if (!error.hint.empty()) fmt::print(stderr, "  hint: {}\n", error.hint);
  return scrub_failed;
}

Result<std::shared_ptr<void>> take_lock(world::Disk& disk, const std::string& dir) {
  TRY_ASSIGN(there, disk.exists(dir + "/journal"));
  if (!there) return fail(Code::not_found, fmt::format("there is no log in \"{}\"", dir), "--data takes a data directory");
  auto lock = disk.lock(dir + "/lock");
  if (!lock && lock.error().code == Code::busy) return fail(Code::busy, fmt::format("a tidemill is running on \"{}\"", dir), "stop it first, or scrub a backup");
  return lock;
}

}  // namespace

int scrub_command(const std::string& dir, bool as_json) {
  auto& disk = world::real_disk();
  auto lock = take_lock(disk, dir);
  if (!lock) return could_not(lock.error());
  Printer printer(read_stream_names(disk, dir), as_json);
  log::ScrubWatch watch{[&](auto& finding) { printer.finding(finding); }, [&](auto done, auto all) { printer.progress(done, all); }};
  auto report = log::scrub(disk, dir, watch);
  if (!report) return could_not(report.error());
  auto snapshots = check_snapshots(disk, dir, [&](const log::Finding& finding) {
    ++(finding.kind == log::Finding::Kind::damage ? report->damage : report->notes);
    printer.finding(finding);
  });
  if (!snapshots) return could_not(snapshots.error());
  printer.summary(*report);
  return report->damage == 0 ? scrub_clean : scrub_damage;
}

}  // namespace tidemill::app
