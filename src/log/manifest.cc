#include "log/manifest.h"

namespace tidemill::log {
namespace {

struct ManifestRow {
  static constexpr PageKind kind = static_cast<PageKind>(33);
  static constexpr std::size_t bytes = segment_info_bytes;
  Result<SegmentInfo> info = SegmentInfo{};
};

void put_row(ByteWriter& out, const ManifestRow& row) { put_segment_info(out, *row.info); }
void get_row(ByteReader& in, ManifestRow& row) { row.info = get_segment_info(in); }

}  // namespace

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
    if (!row->info) return row->info.error();
    manifest.segments.push_back(*row->info);
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
