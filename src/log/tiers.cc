#include "log/tiers.h"

#include <algorithm>
#include <tuple>

namespace tidemill::log {

std::vector<Run> runs_of(const std::vector<SegmentInfo>& segments) {
  std::vector<Run> runs;
  for (auto& segment : segments) {
    auto same = [&](const Run& run) {
      return std::tie(run.from, run.to, run.retention_class, run.level) == std::tie(segment.from, segment.to, segment.retention_class, segment.level);
    };
    auto run = std::find_if(runs.begin(), runs.end(), same);
    if (run == runs.end()) run = runs.insert(runs.end(), {segment.from, segment.to, segment.retention_class, segment.level, {}});
    auto& in = run->segments;
    in.insert(std::upper_bound(in.begin(), in.end(), segment, [](auto& a, auto& b) { return a.first_stream < b.first_stream; }), segment);
  }
  sort_runs(runs);
  return runs;
}

void sort_runs(std::vector<Run>& runs) {
  auto place = [](const Run& run) { return std::tie(run.from, run.to, run.retention_class, run.level); };
  std::sort(runs.begin(), runs.end(), [&](auto& a, auto& b) { return place(a) < place(b); });
}

}  // namespace tidemill::log
