// Recovery over a journal that somebody has scribbled on. It must never crash, and never serve a batch whose checksum fails; a flipped
// bit in one file must not take away what lies in the others' groups. Input: pairs of (where, what), applied to a small real journal.
#include "base/check.h"
#include "bytes/cursor.h"
#include "log/test_core_rig.h"

namespace {

using namespace tidemill;
using namespace tidemill::log;

struct Written {
  std::string name, bytes;
};

// A journal of a few files, written once.
const std::vector<Written>& journal() {
  static const auto files = [] {
    CoreRig rig;
    rig.options.journal_file_bytes = 64 << 10;
    CHECK(rig.open().has_value());
    for (int i = 0; i < 24; ++i) {
      CHECK(rig.put(static_cast<std::uint64_t>(i % 3), i % 4 ? batch_of(1 + i % 3, "value " + std::to_string(i)) : idempotent(1, 5, 0, i / 12)).has_value());
      if (i == 13) CHECK(rig.reopen().has_value());
    }
    rig.go_idle();
    std::vector<Written> out;
    for (auto& name : *rig.disk.list("data/journal")) out.push_back({name, rig.disk.content("data/journal/" + name)});
    return out;
  }();
  return files;
}

void scribble(std::vector<Written>& files, ByteReader in) {
  while (in.remaining() >= 6) {
    auto& file = files[in.u8() % files.size()];
    if (file.bytes.empty()) continue;
    auto how = in.u8();
    auto block = in.u8() % (file.bytes.size() / block_bytes + 1) * block_bytes;
    auto at = std::min<std::size_t>(block + in.u16() % block_bytes, file.bytes.size() - 1);
    auto what = static_cast<char>(in.u8());
    if (how < 160) file.bytes[at] = what;
    else if (how < 190) file.bytes.resize(at);
    else if (how < 220) std::fill(file.bytes.begin() + static_cast<std::ptrdiff_t>(at), file.bytes.end(), '\0');
    else std::copy_n(file.bytes.begin() + static_cast<std::ptrdiff_t>(at), std::min<std::size_t>(block_bytes, file.bytes.size() - at),
                     file.bytes.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(static_cast<unsigned char>(what) % 16 * block_bytes, at)));
  }
}

void read_all(const View& view) {
  for (std::uint64_t s = 0; s < 3; ++s) {
    auto end = view.bounds(StreamId{s}).end;
    for (Offset at{0}; at < end; at += 1) {
      auto read = view.read(StreamId{s}, at, 1);
      if (!read) continue;
      for (auto& batch : *read) CHECK(record::validate_batch(batch.bytes.bytes()).has_value(), "a damaged batch was served");
      if (end - at > 4096) break;
    }
    (void)view.find_by_time(StreamId{s}, 1000);
  }
  for (Jsn jsn{1}; jsn <= view.durable_jsn() && jsn < Jsn{4096}; jsn += 1) (void)view.read_groups(jsn, 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto files = journal();
  scribble(files, ByteReader(std::as_bytes(std::span(data, size))));
  CoreRig rig;
  rig.options.journal_file_bytes = 64 << 10;
  (void)rig.disk.make_dirs("data/journal");
  for (auto& [name, bytes] : files) {
    auto file = rig.disk.open("data/journal/" + name, world::Open::create);
    (void)(*file)->write_at(0, as_bytes(bytes));
  }
  if (!rig.open()) return 0;
  read_all(rig.view());
  auto end = rig.view().bounds(StreamId{1}).end;
  auto put = rig.put(1, batch_of(1, "after"));
  CHECK(put && put->base_offsets[0] == end, "the log does not go on");
  CHECK(rig.view().read(StreamId{1}, end, 1).has_value(), "what was just written is not there");
  return 0;
}
