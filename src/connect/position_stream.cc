#include "connect/position_stream.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "connect/json_text.h"
#include "record/batch.h"

namespace tidemill::connect {
namespace {

Result<std::optional<Announcement>> parse_announcement(const std::string& text) {
  try {
    auto json = nlohmann::json::parse(text);
    if (!json.contains("ahead")) return std::optional<Announcement>();
    auto& ahead = json.at("ahead");
    return std::optional(Announcement{StreamId(ahead.at("stream").get<std::uint64_t>()), Offset(ahead.at("from").get<std::int64_t>()), ahead.at("crc").get<std::uint32_t>(),
                                      json.at("before").get<std::string>(), json.at("after").get<std::string>()});
  } catch (const std::exception& e) {
    return fail(Code::corrupt, fmt::format("a connector position that cannot be read: {}", e.what()));
  }
}

Result<bool> came(log::Log& log, const Announcement& announcement) {
  auto bounds = log.bounds(announcement.stream);
  for (auto at = std::max(announcement.from, bounds.start); at < bounds.end;) {
    TRY_ASSIGN(batches, log.read(announcement.stream, at, 1u << 20));
    if (batches.empty()) break;
    for (auto& batch : batches) {
      TRY_ASSIGN(header, record::read_header(batch.bytes.bytes()));
      if (header.crc == announcement.crc) return true;
      at = batch.base + header.last_offset_delta + 1;  // compaction takes records, never offsets
    }
  }
  return false;
}

Result<std::string> last_value(log::Log& log, StreamId stream, Offset at) {
  TRY_ASSIGN(batches, log.read(stream, at, 1));
  if (batches.empty()) return fail(Code::corrupt, "the connector's last position cannot be read");
  TRY_ASSIGN(records, record::BatchRecords::open(batches.back().bytes, batches.back().base));
  record::RecordView record;
  std::string text;
  for (;;) {
    TRY_ASSIGN(more, records.next(record));
    if (!more) return text;
    text = record.value.value_or("");
  }
}

}  // namespace

std::string announcement_text(const Announcement& a) {
  return fmt::format(R"({{"version":1,"ahead":{{"stream":{},"from":{},"crc":{}}},"before":{},"after":{}}})", a.stream.value, a.from.value, a.crc,
                     json_string(a.before), json_string(a.after));
}

Result<std::optional<std::string>> last_position_text(log::Log& log, StreamId positions) {
  auto bounds = log.bounds(positions);
  if (bounds.end <= bounds.start) return std::optional<std::string>();
  TRY_ASSIGN(text, last_value(log, positions, bounds.end - 1));
  TRY_ASSIGN(announcement, parse_announcement(text));
  if (!announcement) return std::optional(std::move(text));
  TRY_ASSIGN(there, came(log, *announcement));
  return std::optional(there ? announcement->after : announcement->before);
}

}  // namespace tidemill::connect
