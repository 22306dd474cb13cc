// How a scrub reads a table file: the manifest or the checkpoint.
#include <fmt/core.h>

#include "log/scrub_files.h"

namespace tidemill::log {
namespace {

constexpr const char* other_half_is_used = "; the other half has it, and a start writes the file again";

}  // namespace

Result<void> check_table_file(world::Disk& disk, const std::string& path, const std::string& name, std::vector<TableShape> shapes, ScrubNotes& notes) {
  auto opened = disk.open(path, world::Open::read);
  if (!opened && opened.error().code == Code::not_found) return {};
  if (!opened) return opened.error();
  auto& file = **opened;
  TRY_ASSIGN(bytes, file.size());
  auto middle = bytes / 2 / block_bytes * block_bytes;
  auto first = decode_table_file_header(as_bytes(scrubbed_block(file, 0)));
  auto second = decode_table_file_header(as_bytes(scrubbed_block(file, middle)));
  if (!first) notes.damage(name, 0, block_bytes, fmt::format("{}{}", first.error().message, second ? other_half_is_used : ""));
  if (!second) notes.damage(name, middle, block_bytes, fmt::format("{}{}", second.error().message, first ? other_half_is_used : ""));
  if (!first && !second) return {};
  auto& header = first ? *first : *second;
  if (bytes != 2 * header.half_bytes) notes.damage(name, bytes, 0, fmt::format("the file has {} bytes and should have {}", bytes, 2 * header.half_bytes));
  for (std::size_t table = 0; table < shapes.size(); ++table) {
    auto [kind, rows_per_page] = shapes[table];
    auto pages = (header.tables[table].rows + rows_per_page - 1) / rows_per_page;
    for (std::uint32_t number = 0; number < pages; ++number) {
      auto at = header.tables[table].position + number * block_bytes;
      auto good = [&](std::uint64_t position) { return check_page(as_bytes(scrubbed_block(file, position)), kind, number, header.salt).has_value(); };
      bool here = good(at), there = good(header.half_bytes + at);
      auto comfort = here || there ? other_half_is_used : "; so does the other half, and a start refuses";
      if (!here) notes.damage(name, at, block_bytes, fmt::format("a page fails its checksum{}", comfort));
      if (!there) notes.damage(name, header.half_bytes + at, block_bytes, fmt::format("a page fails its checksum{}", comfort));
    }
  }
  notes.read(bytes);
  return {};
}

}  // namespace tidemill::log
