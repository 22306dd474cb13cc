#include "observe/log.h"

#include <fmt/format.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

#include "base/check.h"
#include "observe/metrics.h"

namespace tidemill::observe {
namespace {

constexpr const char* level_names[] = {"debug", "info", "warn", "error"};
LogTarget target;

std::int64_t system_now_ms() {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  return static_cast<std::int64_t>(t.tv_sec) * 1000 + t.tv_nsec / 1'000'000;
}

// One write, so that lines of several threads do not mix. A line that standard error does not take is lost: there is nowhere to say so.
void write_to_stderr(std::string_view line) {
  auto written = ::write(STDERR_FILENO, line.data(), line.size());
  (void)written;
}

std::string timestamp(std::int64_t ms) {
  time_t seconds = ms / 1000;
  tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
                     parts.tm_sec, ms % 1000);
}

// For both formats: quotes, backslashes and control characters escaped as in JSON; bytes that are not UTF-8 as they are.
void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') out.append(1, '\\').append(1, c);
    else if (c == '\n') out += "\\n";
    else if (byte < 0x20 || byte == 0x7f) out += fmt::format("\\u{:04x}", byte);
    else out += c;
  }
  out += '"';
}

void append_value(std::string& out, const LogValue& value) {
  if (value.quoted()) append_quoted(out, value.text());
  else out += value.text();
}

std::string json_line(Level level, std::string_view event, LogFields fields, std::int64_t now_ms) {
  auto line = fmt::format(R"({{"@timestamp":"{}","log.level":"{}","message":)", timestamp(now_ms), level_names[static_cast<int>(level)]);
  append_quoted(line, event);
  line += R"(,"ecs.version":"8.11.0","service.name":"tidemill")";
  for (auto& [key, value] : fields) {
    line += ',';
    append_quoted(line, key);
    line += ':';
    append_value(line, value);
  }
  return line += "}\n";
}

std::string text_line(Level level, std::string_view event, LogFields fields, std::int64_t now_ms) {
  auto line = fmt::format("{} {:<5} {}", timestamp(now_ms), level_names[static_cast<int>(level)], event);
  for (auto& [key, value] : fields) {
    line.append(" ").append(key).append("=");
    append_value(line, value);
  }
  return line += '\n';
}

void write_line(Level level, std::string_view event, LogFields fields) {
  static Counter* counted[] = {
      &metrics().counter("tidemill_log_messages_total", {{"level", "debug"}}), &metrics().counter("tidemill_log_messages_total", {{"level", "info"}}),
      &metrics().counter("tidemill_log_messages_total", {{"level", "warn"}}), &metrics().counter("tidemill_log_messages_total", {{"level", "error"}})};
  if (level < target.level) return;
  counted[static_cast<int>(level)]->add();
  auto now = target.now_ms ? target.now_ms() : system_now_ms();
  auto line = target.format == Format::json ? json_line(level, event, fields, now) : text_line(level, event, fields, now);
  target.write ? target.write(line) : write_to_stderr(line);
}

}  // namespace

// JSON has no infinity.
std::string LogValue::number(double value) { return value - value == 0 ? fmt::format("{}", value) : "null"; }

void log_debug(std::string_view event, LogFields fields) { write_line(Level::debug, event, fields); }
void log_info(std::string_view event, LogFields fields) { write_line(Level::info, event, fields); }
void log_warn(std::string_view event, LogFields fields) { write_line(Level::warn, event, fields); }
void log_error(std::string_view event, LogFields fields) { write_line(Level::error, event, fields); }

void set_log_target(LogTarget chosen) { target = chosen; }

Level level_of(std::string_view name) {
  for (int i = 0; i < 4; ++i) {
    if (name == level_names[i]) return static_cast<Level>(i);
  }
  check_failed(__FILE__, __LINE__, "a log level", std::string(name));
}

Format format_of(std::string_view name) {
  CHECK(name == "json" || name == "text", "log format {}", name);
  return name == "json" ? Format::json : Format::text;
}

}  // namespace tidemill::observe
