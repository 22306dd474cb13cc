#include "observe/metrics.h"

#include <fmt/format.h>

#include <map>
#include <mutex>
#include <variant>

#include "base/check.h"
#include "observe/metric_spec.h"

namespace tidemill::observe {
namespace {

constexpr std::size_t combinations_max = 1000;

constexpr std::array seconds_bounds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0};
constexpr std::array bytes_bounds{256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0, 16777216.0, 67108864.0};
constexpr std::array rows_bounds{1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0};

std::unique_ptr<Histogram> make_histogram(Buckets buckets) {
  switch (buckets) {
    case Buckets::seconds: return std::make_unique<Histogram>(seconds_bounds.data(), seconds_bounds.size());
    case Buckets::bytes: return std::make_unique<Histogram>(bytes_bounds.data(), bytes_bounds.size());
    case Buckets::rows: return std::make_unique<Histogram>(rows_bounds.data(), rows_bounds.size());
    case Buckets::none: break;
  }
  check_failed(__FILE__, __LINE__, "a histogram has buckets", "");
}

std::string escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\\') out += "\\\\";
    else if (c == '"') out += "\\\"";
    else if (c == '\n') out += "\\n";
    else out += c;
  }
  return out;
}

// `a="1",b="2"` in the order of the spec.
std::string label_text(const MetricSpec& spec, Labels labels) {
  CHECK(labels.size() == spec.labels.size(), "{} has {} labels in spec/metrics.toml", spec.name, spec.labels.size());
  std::string text;
  for (auto& name : spec.labels) {
    auto it = std::find_if(labels.begin(), labels.end(), [&](auto& label) { return label.first == name; });
    CHECK(it != labels.end(), "{} needs the label {}", spec.name, name);
    text += fmt::format("{}{}=\"{}\"", text.empty() ? "" : ",", name, escaped(it->second));
  }
  return text;
}

std::string other_text(const MetricSpec& spec) {
  std::string text;
  for (auto& name : spec.labels) text += fmt::format("{}{}=\"other\"", text.empty() ? "" : ",", name);
  return text;
}

using Value = std::variant<std::unique_ptr<Counter>, std::unique_ptr<Gauge>, std::unique_ptr<Histogram>>;

Value make_value(const MetricSpec& spec) {
  switch (spec.type) {
    case MetricType::counter: return std::make_unique<Counter>();
    case MetricType::gauge: return std::make_unique<Gauge>();
    case MetricType::histogram: return make_histogram(spec.buckets);
  }
  check_failed(__FILE__, __LINE__, "a metric has a type", spec.name);
}

struct Family {
  const MetricSpec* spec;
  std::map<std::string, Value> values;  // by label text
};

std::string braces(const std::string& labels) { return labels.empty() ? "" : "{" + labels + "}"; }

void expose_one(const MetricSpec& spec, const std::string& labels, const Counter& counter, std::string& out) {
  out += fmt::format("{}{} {}\n", spec.name, braces(labels), counter.value());
}

void expose_one(const MetricSpec& spec, const std::string& labels, const Gauge& gauge, std::string& out) {
  out += fmt::format("{}{} {}\n", spec.name, braces(labels), gauge.value());
}

void expose_one(const MetricSpec& spec, const std::string& labels, const Histogram& histogram, std::string& out) {
  auto reading = histogram.read();
  auto comma = labels.empty() ? "" : ",";
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < histogram.bound_count(); ++i) {
    total += reading.counts[i];
    out += fmt::format("{}_bucket{{{}{}le=\"{}\"}} {}\n", spec.name, labels, comma, histogram.bounds()[i], total);
  }
  total += reading.counts[histogram.bound_count()];
  out += fmt::format("{}_bucket{{{}{}le=\"+Inf\"}} {}\n", spec.name, labels, comma, total);
  out += fmt::format("{}_sum{} {}\n{}_count{} {}\n", spec.name, braces(labels), reading.sum, spec.name, braces(labels), total);
}

const char* type_name(MetricType type) {
  return type == MetricType::counter ? "counter" : type == MetricType::gauge ? "gauge" : "histogram";
}

}  // namespace

void Histogram::observe(double value) {
  auto at = static_cast<std::size_t>(std::lower_bound(bounds_, bounds_ + count_, value) - bounds_);
  counts_[at].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

Histogram::Reading Histogram::read() const {
  Reading reading;
  for (std::size_t i = 0; i <= count_; ++i) reading.counts[i] = counts_[i].load(std::memory_order_relaxed);
  reading.sum = sum_.load(std::memory_order_relaxed);
  return reading;
}

struct Metrics::Inside {
  mutable std::mutex mutex;
  std::map<std::string, Family, std::less<>> families;

  template <class T>
  T& find(std::string_view name, Labels labels) {
    auto it = families.find(name);
    CHECK(it != families.end(), "{} is not in spec/metrics.toml", name);
    auto& [spec, values] = it->second;
    auto text = label_text(*spec, labels);
    std::lock_guard hold(mutex);
    auto known = values.find(text);
    if (known == values.end()) {
      if (values.size() >= combinations_max) text = other_text(*spec);
      known = values.try_emplace(text, make_value(*spec)).first;
    }
    auto* value = std::get_if<std::unique_ptr<T>>(&known->second);
    CHECK(value, "{} is of another type in spec/metrics.toml", name);
    return **value;
  }
};

Metrics::Metrics() : inside_(std::make_unique<Inside>()) {
  for (auto& spec : metric_specs()) inside_->families.emplace(spec.name, Family{&spec, {}});
}
Metrics::~Metrics() = default;

Counter& Metrics::counter(std::string_view name, Labels labels) { return inside_->find<Counter>(name, labels); }
Gauge& Metrics::gauge(std::string_view name, Labels labels) { return inside_->find<Gauge>(name, labels); }
Histogram& Metrics::histogram(std::string_view name, Labels labels) { return inside_->find<Histogram>(name, labels); }

std::string Metrics::exposition() const {
  std::string out;
  std::lock_guard hold(inside_->mutex);
  for (auto& [name, family] : inside_->families) {
    if (family.values.empty()) continue;
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, escaped(family.spec->help), name, type_name(family.spec->type));
    for (auto& [labels, value] : family.values) {
      std::visit([&](auto& v) { expose_one(*family.spec, labels, *v, out); }, value);
    }
  }
  return out;
}

Metrics& metrics() {
  static Metrics all;
  return all;
}

}  // namespace tidemill::observe
