// Logs: what happened, one line each, on standard error. An event has a name that never changes (it is what people search for)
// and fields with dotted keys. JSON lines after the Elastic Common Schema, or text for people.
//
//   log_info("listener.started", {{"listener", "kafka"}, {"server.address", address.text()}});
//   log_error("sync.failed", {{"error.message", error.text()}});
//
// Never a secret, never a record's content. Line breaks and control characters in values are escaped, so that nobody can write a
// line that is not ours. Thread-safe; a line is written by one call.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

namespace tidemill::observe {

enum class Level { debug, info, warn, error };
enum class Format { json, text };

class LogValue {
 public:
  LogValue(std::string_view text) : text_(text), quoted_(true) {}
  LogValue(const std::string& text) : text_(text), quoted_(true) {}
  LogValue(const char* text) : text_(text), quoted_(true) {}
  LogValue(bool value) : text_(value ? "true" : "false"), quoted_(false) {}
  template <class T>
    requires(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>)
  LogValue(T value) : text_(number(value)), quoted_(false) {}
  LogValue(std::chrono::milliseconds value) : LogValue(value.count()) {}

  const std::string& text() const { return text_; }
  bool quoted() const { return quoted_; }

 private:
  static std::string number(double value);
  static std::string number(std::int64_t value) { return std::to_string(value); }
  static std::string number(std::uint64_t value) { return std::to_string(value); }
  template <class T>
  static std::string number(T value) {
    if constexpr (std::is_floating_point_v<T>) return number(static_cast<double>(value));
    else if constexpr (std::is_signed_v<T>) return number(static_cast<std::int64_t>(value));
    else return number(static_cast<std::uint64_t>(value));
  }
  std::string text_;
  bool quoted_;
};

struct LogField {
  std::string_view key;
  LogValue value;
};
using LogFields = std::initializer_list<LogField>;

void log_debug(std::string_view event, LogFields fields = {});
void log_info(std::string_view event, LogFields fields = {});
void log_warn(std::string_view event, LogFields fields = {});
void log_error(std::string_view event, LogFields fields = {});

// Where lines go and what time it is. Set once, before threads start; until then: info, JSON, standard error, the system's clock.
struct LogTarget {
  Level level = Level::info;
  Format format = Format::json;
  std::int64_t (*now_ms)() = nullptr;                 // nullptr: the system's clock, as this room is below `world`
  void (*write)(std::string_view line) = nullptr;     // nullptr: standard error
};
void set_log_target(LogTarget target);
Level level_of(std::string_view name);    // "info"; CHECKs
Format format_of(std::string_view name);  // "json"; CHECKs

}  // namespace tidemill::observe

namespace tidemill {
using observe::log_debug;
using observe::log_error;
using observe::log_info;
using observe::log_warn;
}  // namespace tidemill
