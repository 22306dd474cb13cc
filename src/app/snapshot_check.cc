#include "app/snapshot_check.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "bytes/crc32c.h"
#include "bytes/cursor.h"
#include "world/disk.h"

namespace tidemill::app {
namespace {

using nlohmann::json;

constexpr std::string_view catalog_head = "tidemill-catalog 1 ";
constexpr std::size_t checksum_digits = 8;
constexpr std::size_t catalog_bytes_max = std::size_t{4} << 30;
constexpr std::size_t piece_bytes = 1u << 20;
constexpr std::uint64_t partitions_max = 1u << 20;

std::string catalog_path(const std::string& dir) { return dir + "/catalog/snapshot"; }

bool catalog_holds(std::string_view text) {
  if (!text.starts_with(catalog_head) || text.size() < catalog_head.size() + checksum_digits) return false;
  auto body = text.substr(catalog_head.size() + checksum_digits);
  return fmt::format("{:08x}", crc32c(as_bytes(body))) == text.substr(catalog_head.size(), checksum_digits);
}

void add_topic(const std::string& line, StreamNames& names) {
  auto document = json::parse(line, nullptr, false);
  if (!document.is_object() || document.value("put", "") != "topic") return;
  auto first = document.value("first_stream", std::uint64_t{0});
  auto partitions = std::min(document.value("partitions", std::uint64_t{0}), partitions_max);
  for (std::uint64_t p = 0; p < partitions; ++p) names.add(StreamId{first + p}, {document.value("name", ""), p});
}

// The last four bytes are the checksum of all before them.
Result<bool> query_snapshot_holds(world::Disk& disk, const std::string& path) {
  TRY_ASSIGN(file, disk.open(path, world::Open::read));
  TRY_ASSIGN(bytes, file->size());
  if (bytes <= sizeof(std::uint32_t)) return false;
  std::uint32_t crc = 0;
  std::string piece;
  for (std::uint64_t at = 0; at < bytes - sizeof crc; at += piece.size()) {
    piece.resize(std::min<std::uint64_t>(piece_bytes, bytes - sizeof crc - at));
    auto got = file->read_at(at, std::as_writable_bytes(std::span(piece)));
    if (!got || *got != piece.size()) return false;
    crc = crc32c(as_bytes(piece), crc);
  }
  piece.resize(sizeof crc);
  auto got = file->read_at(bytes - sizeof crc, std::as_writable_bytes(std::span(piece)));
  if (!got || *got != sizeof crc) return false;
  ByteReader in(as_bytes(piece));
  return in.le<std::uint32_t>() == crc;
}

// Names in a folder; none when it is not there.
Result<std::vector<std::string>> names_in(world::Disk& disk, const std::string& path) {
  auto names = disk.list(path);
  if (!names && names.error().code == Code::not_found) return std::vector<std::string>{};
  return names;
}

log::Finding damaged(std::string file, std::string what) { return {log::Finding::Kind::damage, std::move(file), 0, 0, std::move(what), {}}; }

}  // namespace

StreamNames read_stream_names(world::Disk& disk, const std::string& dir) {
  StreamNames names;
  auto text = world::read_file(disk, catalog_path(dir), catalog_bytes_max);
  if (!text || !catalog_holds(*text)) return names;
  for (std::size_t at = 0, end = 0; at < text->size(); at = end + 1) {
    end = std::min(text->find('\n', at), text->size());
    try {
      if (text->at(at) == '{') add_topic(text->substr(at, end - at), names);
    } catch (const json::exception&) {  // a member of another type: that topic stays without a name here
    }
  }
  return names;
}

Result<void> check_snapshots(world::Disk& disk, const std::string& dir, const std::function<void(const log::Finding&)>& found) {
  auto text = world::read_file(disk, catalog_path(dir), catalog_bytes_max);
  if (!text && text.error().code != Code::not_found) return text.error();
  if (text && !catalog_holds(*text)) found(damaged("catalog/snapshot", "fails its checksum; a start reads the catalogue from the log instead"));
  TRY_ASSIGN(queries, names_in(disk, dir + "/state"));
  for (auto& query : queries) {
    TRY_ASSIGN(snapshots, names_in(disk, dir + "/state/" + query));
    for (auto& name : snapshots) {
      auto below = "state/" + query + "/" + name;
      if (!name.ends_with(".snapshot")) continue;
      TRY_ASSIGN(holds, query_snapshot_holds(disk, dir + "/" + below));
      if (!holds) found(damaged(below, "fails its checksum; the query replays its input instead"));
    }
  }
  return {};
}

}  // namespace tidemill::app
