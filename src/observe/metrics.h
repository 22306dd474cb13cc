// Metrics: numbers that /metrics shows. Looking one up takes a lock, using it does not, so look it up once and keep the
// reference: it stays good for ever.
//
//   Counter& requests = metrics().counter("tidemill_kafka_requests_total", {{"api", "Produce"}});
//   requests.add();
//
// Names, types and label names come from spec/metrics.toml; anything else stops the program. One metric has at most 1,000 label
// combinations; what comes after shares one whose label values are "other", so that names chosen by users cannot fill the memory.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace tidemill::observe {

class Counter {
 public:
  void add(std::uint64_t count = 1) { value_.fetch_add(count, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  alignas(64) std::atomic<std::uint64_t> value_ = 0;  // a cache line of its own: shards count side by side
};

class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  void add(double change) { value_.fetch_add(change, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  alignas(64) std::atomic<double> value_ = 0;
};

class Histogram {
 public:
  static constexpr std::size_t buckets_max = 16;
  explicit Histogram(const double* bounds, std::size_t count) : bounds_(bounds), count_(count) {}
  void observe(double value);
  // A reading at one moment: counts per bucket (not cumulative; the last is above every bound) and the sum of what was observed.
  struct Reading {
    std::array<std::uint64_t, buckets_max + 1> counts{};
    double sum = 0;
  };
  Reading read() const;
  const double* bounds() const { return bounds_; }
  std::size_t bound_count() const { return count_; }

 private:
  const double* bounds_;
  std::size_t count_;
  std::array<std::atomic<std::uint64_t>, buckets_max + 1> counts_{};
  std::atomic<double> sum_ = 0;
};

using Label = std::pair<std::string_view, std::string_view>;
using Labels = std::initializer_list<Label>;

class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // Labels in any order; all that the spec lists.
  Counter& counter(std::string_view name, Labels labels = {});
  Gauge& gauge(std::string_view name, Labels labels = {});
  Histogram& histogram(std::string_view name, Labels labels = {});

  // Prometheus's text format 0.0.4. Metrics nobody has looked up are left out.
  std::string exposition() const;

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

// The program's.
Metrics& metrics();

}  // namespace tidemill::observe
