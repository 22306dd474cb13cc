#include "flow/snapshot.h"

#include <fmt/core.h>

#include <algorithm>

#include "bytes/crc32c.h"
#include "flow/value_text.h"

namespace tidemill::flow {
namespace {

constexpr std::uint32_t magic = 0x574C4654;  // "TFLW"
constexpr std::uint32_t version = 1;
constexpr std::size_t snapshot_bytes_max = 16ull << 30;
constexpr std::string_view suffix = ".snapshot";

}  // namespace

std::string Snapshots::path(std::uint64_t number) const { return fmt::format("{}/{:020}{}", dir_, number, suffix); }

std::vector<std::uint64_t> Snapshots::numbers() {
  std::vector<std::uint64_t> out;
  auto names = disk_.list(dir_);
  if (!names) return out;
  for (std::string_view name : *names) {
    if (!name.ends_with(suffix)) continue;
    name.remove_suffix(suffix.size());
    if (auto number = parse_whole(name, 0, INT64_MAX)) out.push_back(static_cast<std::uint64_t>(*number));
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<void> Snapshots::save(const Positions& at, std::string_view state) {
  TRY(disk_.make_dirs(dir_));
  auto old = numbers();
  ByteWriter out;
  out.reserve(state.size() + 1024);
  out.le(magic);
  out.le(version);
  out.le(fingerprint_);
  write_positions(at, out);
  out.le(static_cast<std::uint64_t>(state.size()));
  out.text(state);
  out.le(crc32c(as_bytes(out.view())));
  TRY(world::replace_file(disk_, path(old.empty() ? 1 : old.back() + 1), out.view()));
  if (old.empty()) return {};
  old.pop_back();
  for (auto number : old) TRY(disk_.remove(path(number)));
  return {};
}

std::optional<Positions> Snapshots::load(const std::function<bool(ByteReader&)>& restore) {
  auto all = numbers();
  for (auto number = all.rbegin(); number != all.rend(); ++number) {
    auto bytes = world::read_file(disk_, path(*number), snapshot_bytes_max);
    if (!bytes || bytes->size() < 8) continue;
    std::string_view body(bytes->data(), bytes->size() - 4);
    ByteReader tail(std::string_view(*bytes).substr(body.size()));
    if (tail.le<std::uint32_t>() != crc32c(as_bytes(body))) continue;
    ByteReader in(body);
    if (in.le<std::uint32_t>() != magic || in.le<std::uint32_t>() != version || in.le<std::uint64_t>() != fingerprint_) continue;
    auto positions = read_positions(in);
    if (!positions || in.le<std::uint64_t>() != in.remaining()) continue;
    if (restore(in)) return std::move(*positions);
  }
  return std::nullopt;
}

void remove_snapshots(world::Disk& disk, const std::string& dir) {
  auto names = disk.list(dir);
  if (!names) return;
  for (auto& name : *names) (void)disk.remove(dir + "/" + name).has_value();
}

}  // namespace tidemill::flow
