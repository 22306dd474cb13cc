#include "log/manifest.h"

namespace tidemill::log {
namespace {

struct ManifestRow {
  static constexpr PageKind kind = static_cast<PageKind>(33);
  static constexpr std::size_t bytes = 144;
  SegmentInfo info;
};

void put_row(ByteWriter& out, const ManifestRow& row) {
  auto& s = row.info;
  out.le(s.number);
  out.le(s.salt);
  out.le(s.retention_class);
  out.le(s.level);
  out.le(s.from.value);
  out.le(s.to.value);
  out.le(s.created_ms);
  out.le(s.data_end);
  out.le(s.entries);
  out.le(s.first_stream.value);
  out.le(s.last_stream.value);
  out.le(s.oldest_ms);
  out.le(s.newest_ms);
  out.le(s.newest_append_ms);
  out.le(s.purged_to.value);
  out.le(s.index.position);
  out.le(s.index.rows);
  out.le(s.file_bytes);
  out.le<std::uint64_t>(0);
}

void get_row(ByteReader& in, ManifestRow& row) {
  auto& s = row.info;
  s.number = in.le<std::uint64_t>();
  s.salt = in.le<std::uint64_t>();
  s.retention_class = in.le<std::uint32_t>();
  s.level = in.le<std::uint32_t>();
  s.from = Jsn{in.le<std::uint64_t>()};
  s.to = Jsn{in.le<std::uint64_t>()};
  s.created_ms = in.le<std::int64_t>();
  s.data_end = in.le<std::uint64_t>();
  s.entries = in.le<std::uint64_t>();
  s.first_stream = StreamId{in.le<std::uint64_t>()};
  s.last_stream = StreamId{in.le<std::uint64_t>()};
  s.oldest_ms = in.le<std::int64_t>();
  s.newest_ms = in.le<std::int64_t>();
  s.newest_append_ms = in.le<std::int64_t>();
  s.purged_to = Jsn{in.le<std::uint64_t>()};
  s.index.position = in.le<std::uint64_t>();
  s.index.rows = in.le<std::uint64_t>();
  s.file_bytes = in.le<std::uint64_t>();
  in.skip(8);
}

}  // namespace

std::string segments_folder(const std::string& dir) { return dir + "/segments"; }
std::string manifest_path(const std::string& dir) { return segments_folder(dir) + "/manifest"; }

Result<std::optional<Manifest>> read_manifest(world::Disk& disk, const std::string& dir, bool& repaired) {
  auto reader = TableReader::open(disk, manifest_path(dir));
  if (!reader && reader.error().code == Code::not_found) return std::optional<Manifest>{};
  if (!reader) return reader.error();
  Manifest manifest{reader->fact(0), Jsn{reader->fact(1)}, reader->fact(2), reader->fact(3), {}};
  TableCursor<ManifestRow> rows(*reader, 0);
  for (;; rows.next()) {
    TRY_ASSIGN(row, rows.peek());
    if (!row) break;
    manifest.segments.push_back(row->info);
  }
  repaired = reader->repaired() > 0;
  return std::optional(std::move(manifest));
}

Result<void> write_manifest(world::Disk& disk, const std::string& dir, Manifest& manifest, std::uint64_t salt) {
  TRY_ASSIGN(writer, TableWriter::create(disk, manifest_path(dir), TableFileKind::manifest, salt));
  for (auto& info : manifest.segments) TRY(writer.put(0, ManifestRow{info}));
  writer.fact(0, ++manifest.generation);
  writer.fact(1, manifest.sorted.value);
  writer.fact(2, manifest.first_file);
  writer.fact(3, manifest.next_segment);
  for (;;) {
    TRY_ASSIGN(done, writer.finish());
    if (done) return {};
  }
}

}  // namespace tidemill::log
