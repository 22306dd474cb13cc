// What spec/metrics.toml says of each metric.
#pragma once

#include <string>
#include <vector>

namespace tidemill::observe {

enum class MetricType { counter, gauge, histogram };
enum class Buckets { none, seconds, bytes, rows };

struct MetricSpec {
  std::string name;
  MetricType type;
  std::string help;
  std::vector<std::string> labels;
  Buckets buckets;
};
const std::vector<MetricSpec>& metric_specs();

}  // namespace tidemill::observe
