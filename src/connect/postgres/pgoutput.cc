#include "connect/postgres/pgoutput.h"

#include <fmt/format.h>

#include "bytes/cursor.h"

namespace tidemill::connect::postgres {
namespace {

// A NUL-terminated string.
std::string_view read_name(ByteReader& in, std::span<const std::byte> bytes) {
  auto rest = as_text(bytes.subspan(in.position()));
  auto end = rest.find('\0');
  if (end == std::string_view::npos) {
    in.fail();
    return {};
  }
  in.skip(end + 1);
  return rest.substr(0, end);
}

std::string_view read_counted(ByteReader& in) {
  auto size = in.i32();
  if (size < 0 || static_cast<std::size_t>(size) > in.remaining()) {
    in.fail();
    return {};
  }
  return in.text(static_cast<std::size_t>(size));
}

FieldValue read_field(ByteReader& in) {
  switch (in.i8()) {
    case 'n': return {Presence::null, {}};
    case 'u': return {Presence::unchanged, {}};
    case 't': return {Presence::text, read_counted(in)};
    default: in.fail(); return {};
  }
}

void read_row(ByteReader& in, Row& row) {
  auto count = in.u16();
  if (count > in.remaining()) in.fail();
  row.resize(in.ok() ? count : 0);
  for (auto& field : row) field = read_field(in);
}

void read_begin(ByteReader& in, BeginMessage& m) {
  m.commit_lsn = Lsn(in.u64());
  m.commit_us = static_cast<std::int64_t>(in.u64() + static_cast<std::uint64_t>(postgres_epoch_us));
  m.xid = in.u32();
}

void read_commit(ByteReader& in, CommitMessage& m) {
  in.skip(1);
  m.commit_lsn = Lsn(in.u64());
  m.end_lsn = Lsn(in.u64());
  m.commit_us = static_cast<std::int64_t>(in.u64() + static_cast<std::uint64_t>(postgres_epoch_us));
}

void read_relation(ByteReader& in, std::span<const std::byte> bytes, RelationMessage& m) {
  m.relation = in.u32();
  m.schema = read_name(in, bytes);
  if (m.schema.empty()) m.schema = "pg_catalog";  // how the protocol spells it
  m.table = read_name(in, bytes);
  m.identity = static_cast<char>(in.i8());
  auto count = in.u16();
  if (count > in.remaining()) in.fail();
  m.columns.resize(in.ok() ? count : 0);
  for (auto& column : m.columns) {
    column.key = in.i8() & 1;
    column.name = read_name(in, bytes);
    column.type = in.u32();
    column.modifier = in.i32();
  }
}

void read_change(ByteReader& in, MessageKind kind, ChangeMessage& m) {
  m.relation = in.u32();
  m.old_kind = 0;
  m.old_row.clear();
  m.new_row.clear();
  auto tag = static_cast<char>(in.i8());
  if (kind != MessageKind::insert && (tag == 'K' || tag == 'O')) {
    m.old_kind = tag;
    read_row(in, m.old_row);
    if (kind == MessageKind::remove) return;
    tag = static_cast<char>(in.i8());
  }
  if (kind == MessageKind::remove || tag != 'N') return in.fail();
  read_row(in, m.new_row);
}

void read_truncate(ByteReader& in, TruncateMessage& m) {
  auto count = in.u32();
  in.skip(1);
  if (count > in.remaining() / 4) in.fail();
  m.relations.resize(in.ok() ? count : 0);
  for (auto& relation : m.relations) relation = in.u32();
}

void read_logical(ByteReader& in, std::span<const std::byte> bytes, LogicalMessage& m) {
  m.transactional = in.i8() & 1;
  m.lsn = Lsn(in.u64());
  m.prefix = read_name(in, bytes);
  m.content = read_counted(in);
}

}  // namespace

Result<void> decode_pgoutput(std::span<const std::byte> bytes, Message& into) {
  ByteReader in(bytes);
  auto tag = static_cast<char>(in.i8());
  switch (tag) {
    case 'B': into.kind = MessageKind::begin; read_begin(in, into.begin); break;
    case 'C': into.kind = MessageKind::commit; read_commit(in, into.commit); break;
    case 'R': into.kind = MessageKind::relation; read_relation(in, bytes, into.relation); break;
    case 'I': into.kind = MessageKind::insert; read_change(in, into.kind, into.change); break;
    case 'U': into.kind = MessageKind::update; read_change(in, into.kind, into.change); break;
    case 'D': into.kind = MessageKind::remove; read_change(in, into.kind, into.change); break;
    case 'T': into.kind = MessageKind::truncate; read_truncate(in, into.truncate); break;
    case 'M': into.kind = MessageKind::logical; read_logical(in, bytes, into.logical); break;
    case 'O': into.kind = MessageKind::origin; return {};
    case 'Y': into.kind = MessageKind::type; return {};
    default: return fail(Code::corrupt, fmt::format("PostgreSQL sent a pgoutput message of unknown kind 0x{:02x}", static_cast<unsigned char>(tag)));
  }
  if (!in.ok() || in.remaining() != 0)
    return fail(Code::corrupt, fmt::format("PostgreSQL sent a pgoutput message of kind {} that does not hold together ({} bytes)", tag, bytes.size()));
  return {};
}

}  // namespace tidemill::connect::postgres
