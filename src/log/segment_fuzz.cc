// A segment that somebody has scribbled on, and bytes that never were one. It must never crash, and never hand out a batch whose
// checksum fails. Input: arbitrary bytes for the decoders, and pairs of (where, what) applied to a small real segment.
#include "base/check.h"
#include "bytes/cursor.h"
#include "log/test_segments.h"

namespace {

using namespace tidemill;
using namespace tidemill::log;

struct Written {
  std::string bytes;
  SegmentInfo info;
};

const Written& segment() {
  static const auto made = [] {
    SegmentRig rig;
    KnownEntries entries;
    for (std::int64_t i = 0; i < 30; ++i) entries.push_back(known_entry(1 + static_cast<std::uint64_t>(i) / 10, i, i, batch_of(1, std::string(i == 15 ? 20'000 : 100, 'x'), 1000 + i)));
    auto info = rig.write(entries);
    CHECK(info.has_value());
    return Written{rig.disk.content(rig.path(1)), *info};
  }();
  return made;
}

void decode_anything(std::span<const std::byte> bytes) {
  (void)decode_segment_header(bytes);
  (void)decode_segment_footer(bytes, bytes.size());
  (void)decode_segment_entry(bytes, 0, 0);
}

void scribble(std::string& bytes, ByteReader in) {
  while (in.remaining() >= 5 && !bytes.empty()) {
    auto how = in.u8();
    auto at = in.u16() % bytes.size();
    auto what = static_cast<char>(in.u8());
    auto count = std::min<std::size_t>(in.u8() * 16, bytes.size() - at);
    if (how < 160) bytes[at] = what;
    else if (how < 180) bytes.resize(at);
    else if (how < 220) std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), count, what);
    else std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), count, bytes.begin() + static_cast<std::ptrdiff_t>(at / 2));
  }
}

void read_all(SegmentFiles& files, const SegmentInfo& info) {
  for (std::uint64_t s = 0; s < 5; ++s) {
    for (Offset at{0}; at < Offset{31}; at += 1)
      if (auto read = files.read(info, StreamId{s}, at, 200))
        for (auto& found : read->batches) CHECK(record::validate_stored_batch(found.batch.bytes.bytes()).has_value(), "a damaged batch was served");
    (void)files.find_by_time(info, StreamId{s}, Offset{0}, 1010);
    (void)files.first_entry(info, StreamId{s});
  }
  auto scan = files.scan(info);
  if (!scan) return;
  scan->skip_to(StreamId{2}, Offset{3});
  while (scan->next()) (void)scan->batch();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto input = std::as_bytes(std::span(data, size));
  decode_anything(input);
  auto bytes = segment().bytes;
  scribble(bytes, ByteReader(input));
  world::SimulatedDisk disk(1);
  CHECK(disk.make_dirs(segments_folder("data")).has_value());
  auto file = disk.open(segment_path("data", 1), world::Open::create);
  CHECK((*file)->write_at(0, as_bytes(bytes)).has_value());
  SegmentFiles files(disk, "data");
  read_all(files, segment().info);
  SegmentFiles alone(disk, "data");
  if (auto info = alone.load_info(1)) read_all(alone, *info);
  return 0;
}
