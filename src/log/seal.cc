#include "log/seal.h"

#include <fmt/core.h>

#include <tuple>

#include "bytes/crc32c.h"

namespace tidemill::log {
namespace {

constexpr std::string_view footer_magic = "TMSEALED";
constexpr std::size_t footer_crc_end = 12;

template <class Row>
Table encode_table(const std::vector<Row>& rows, std::uint64_t start, std::uint64_t salt, std::string& out) {
  Table table{start + out.size(), rows.size()};
  for (std::size_t first = 0, number = 0; first < rows.size(); first += rows_per_page<Row>, ++number) {
    auto count = std::min<std::size_t>(rows_per_page<Row>, rows.size() - first);
    ByteWriter page;
    begin_page(page, Row::kind, static_cast<std::uint32_t>(number), salt);
    for (std::size_t i = 0; i < count; ++i) put_row(page, rows[first + i]);
    end_page(page, count);
    out += page.view();
  }
  return table;
}

}  // namespace

void begin_page(ByteWriter& page, PageKind kind, std::uint32_t number, std::uint64_t salt) {
  page.clear();
  page.reserve(block_bytes);
  page.le<std::uint32_t>(0);
  page.le(static_cast<std::uint16_t>(kind));
  page.le<std::uint16_t>(0);
  page.le(number);
  page.le<std::uint32_t>(0);
  page.le(salt);
}

void end_page(ByteWriter& page, std::uint64_t rows) {
  constexpr std::size_t rows_at = 6, crc_end = 4;
  page.patch_le(rows_at, static_cast<std::uint16_t>(rows));
  page.zeros(block_bytes - page.size());
  page.patch_le(0, crc32c(as_bytes(page.view().substr(crc_end))));
}

void put_row(ByteWriter& out, const BatchRow& row) {
  out.le(row.stream.value);
  out.le(row.base.value);
  out.le(row.max_timestamp);
  out.le(row.group);
  out.le(row.index);
  out.le(row.at);
  out.le(row.length);
  out.le(row.records);
  out.le<std::uint32_t>(0);
}

void get_row(ByteReader& in, BatchRow& row) {
  row.stream = StreamId{in.le<std::uint64_t>()};
  row.base = Offset{in.le<std::int64_t>()};
  row.max_timestamp = in.le<std::int64_t>();
  row.group = in.le<std::uint32_t>();
  row.index = in.le<std::uint32_t>();
  row.at = in.le<std::uint32_t>();
  row.length = in.le<std::uint32_t>();
  row.records = in.le<std::uint32_t>();
  in.skip(4);
}

void put_row(ByteWriter& out, const GroupRow& row) {
  out.le(row.jsn.value);
  out.le(row.position);
  out.le(row.time_ms);
  out.le(row.length);
  out.le(row.entries);
  out.le(row.leader_epoch);
  out.le<std::uint32_t>(0);
}

void get_row(ByteReader& in, GroupRow& row) {
  row.jsn = Jsn{in.le<std::uint64_t>()};
  row.position = in.le<std::uint64_t>();
  row.time_ms = in.le<std::int64_t>();
  row.length = in.le<std::uint32_t>();
  row.entries = in.le<std::uint32_t>();
  row.leader_epoch = in.le<std::int32_t>();
  in.skip(4);
}

void put_row(ByteWriter& out, const StreamRow& row) {
  out.le(row.stream.value);
  out.le(row.state.start.value);
  out.le(row.state.end.value);
  out.le(row.state.max_timestamp);
  out.le(row.state.tenant.value);
  out.le<std::uint32_t>(row.state.forgotten ? 1 : 0);
}

void get_row(ByteReader& in, StreamRow& row) {
  row.stream = StreamId{in.le<std::uint64_t>()};
  row.state.start = Offset{in.le<std::int64_t>()};
  row.state.end = Offset{in.le<std::int64_t>()};
  row.state.max_timestamp = in.le<std::int64_t>();
  row.state.tenant = TenantId{in.le<std::uint32_t>()};
  row.state.forgotten = (in.le<std::uint32_t>() & 1) != 0;
}

void put_row(ByteWriter& out, const ProducerRow& row) {
  out.le(row.key.stream.value);
  out.le(row.key.producer.value);
  out.le(row.window.last_time_ms);
  out.le(row.window.epoch);
  out.le<std::uint16_t>(row.window.count);
  out.le<std::uint32_t>(0);
  for (auto& range : row.window.batches) {
    out.le(range.base);
    out.le(range.last);
    out.le(range.offset.value);
  }
}

void get_row(ByteReader& in, ProducerRow& row) {
  row.key.stream = StreamId{in.le<std::uint64_t>()};
  row.key.producer = ProducerId{in.le<std::int64_t>()};
  row.window.last_time_ms = in.le<std::int64_t>();
  row.window.epoch = in.le<std::int16_t>();
  row.window.count = static_cast<std::uint8_t>(std::min<std::size_t>(in.le<std::uint16_t>(), Window::remembered));
  in.skip(4);
  for (auto& range : row.window.batches) {
    range.base = in.le<std::int32_t>();
    range.last = in.le<std::int32_t>();
    range.offset = Offset{in.le<std::int64_t>()};
  }
}

std::string encode_footer(const Footer& footer) {
  ByteWriter out;
  out.text(footer_magic);
  out.le<std::uint32_t>(0);
  out.le(format_version);
  out.le(footer.number);
  out.le(footer.salt);
  out.le(footer.data_end);
  out.le(footer.first_jsn.value);
  out.le(footer.next_jsn.value);
  out.le(footer.incarnation.value);
  out.le(footer.leader_epoch);
  out.le<std::uint32_t>(0);
  for (auto& table : footer.tables) {
    out.le(table.position);
    out.le(table.rows);
  }
  out.zeros(block_bytes - out.size());
  out.patch_le(footer_magic.size(), crc32c(as_bytes(out.view().substr(footer_crc_end))));
  return out.take();
}

Result<Footer> decode_footer(std::span<const std::byte> block) {
  ByteReader in(block);
  if (block.size() < block_bytes || in.text(footer_magic.size()) != footer_magic) return fail(Code::not_found, "no seal");
  auto crc = in.le<std::uint32_t>();
  if (crc32c(block.subspan(footer_crc_end, block_bytes - footer_crc_end)) != crc) return fail(Code::corrupt, "the seal fails its checksum");
  if (in.le<std::uint32_t>() != format_version) return fail(Code::unsupported, "the seal has an unknown version");
  Footer footer;
  footer.number = in.le<std::uint64_t>();
  footer.salt = in.le<std::uint64_t>();
  footer.data_end = in.le<std::uint64_t>();
  footer.first_jsn = Jsn{in.le<std::uint64_t>()};
  footer.next_jsn = Jsn{in.le<std::uint64_t>()};
  footer.incarnation = Incarnation{in.le<std::uint64_t>()};
  footer.leader_epoch = in.le<std::int32_t>();
  in.skip(4);
  for (auto& table : footer.tables) {
    table.position = in.le<std::uint64_t>();
    table.rows = in.le<std::uint64_t>();
  }
  return footer;
}

std::uint64_t seal_bytes(std::uint64_t batches, std::uint64_t groups, std::uint64_t streams, std::uint64_t producers) {
  return block_bytes * (pages_for<BatchRow>(batches) + pages_for<GroupRow>(groups) + pages_for<StreamRow>(streams) +
                        pages_for<ProducerRow>(producers) + 1);
}

std::string encode_seal(SealContent& content, Footer& footer) {
  std::sort(content.batches.begin(), content.batches.end(),
            [](auto& a, auto& b) { return std::tie(a.stream, a.base) < std::tie(b.stream, b.base); });
  std::sort(content.streams.begin(), content.streams.end(), [](auto& a, auto& b) { return a.stream < b.stream; });
  std::sort(content.producers.begin(), content.producers.end(), [](auto& a, auto& b) { return a.key < b.key; });
  std::string out;
  out.reserve(seal_bytes(content.batches.size(), content.groups.size(), content.streams.size(), content.producers.size()));
  footer.tables[0] = encode_table(content.batches, footer.data_end, footer.salt, out);
  footer.tables[1] = encode_table(content.groups, footer.data_end, footer.salt, out);
  footer.tables[2] = encode_table(content.streams, footer.data_end, footer.salt, out);
  footer.tables[3] = encode_table(content.producers, footer.data_end, footer.salt, out);
  return out;
}

Result<std::uint16_t> check_page(std::span<const std::byte> page, PageKind kind, std::uint32_t number, std::uint64_t salt) {
  auto bad = [&] { return fail(Code::corrupt, fmt::format("page {} of the seal's table {} fails its checksum", number, static_cast<int>(kind))); };
  if (page.size() != block_bytes) return bad();
  ByteReader in(page);
  auto crc = in.le<std::uint32_t>();
  if (crc != crc32c(page.subspan(4))) return bad();
  auto stored_kind = in.le<std::uint16_t>();
  auto rows = in.le<std::uint16_t>();
  auto stored_number = in.le<std::uint32_t>();
  in.skip(4);
  if (stored_kind != static_cast<std::uint16_t>(kind) || stored_number != number || in.le<std::uint64_t>() != salt) return bad();
  return rows;
}

}  // namespace tidemill::log
