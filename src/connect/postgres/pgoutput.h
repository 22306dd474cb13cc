// What PostgreSQL's output plugin `pgoutput` (protocol version 1) says, decoded from bytes. No I/O, no state: a message means the
// same wherever it is read. Texts point into the input; a Message is reused from call to call so that its vectors keep their memory.
//
// https://www.postgresql.org/docs/15/protocol-logicalrep-message-formats.html has the layouts.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "connect/postgres/lsn.h"

namespace tidemill::connect::postgres {

// Microseconds from 1970 to 2000, where PostgreSQL's clock begins.
inline constexpr std::int64_t postgres_epoch_us = 946'684'800'000'000;

enum class Presence : std::uint8_t {
  null,
  text,
  unchanged,  // a value stored out of line that an update did not touch: the server does not send it
};
struct FieldValue {
  Presence presence = Presence::null;
  std::string_view text;
};
using Row = std::vector<FieldValue>;

struct BeginMessage {
  Lsn commit_lsn;
  std::int64_t commit_us = 0;  // since 1970
  std::uint32_t xid = 0;
};
struct CommitMessage {
  Lsn commit_lsn, end_lsn;
  std::int64_t commit_us = 0;
};
struct RelationColumn {
  bool key = false;  // part of the replica identity
  std::string_view name;
  std::uint32_t type = 0;
  std::int32_t modifier = -1;
};
struct RelationMessage {
  std::uint32_t relation = 0;
  std::string_view schema, table;
  char identity = 'd';  // d default, n nothing, f full, i index
  std::vector<RelationColumn> columns;
};
struct ChangeMessage {
  std::uint32_t relation = 0;
  char old_kind = 0;  // 0 none, 'K' the key only, 'O' the whole row
  Row old_row;
  Row new_row;
};
struct TruncateMessage {
  std::vector<std::uint32_t> relations;
};
struct LogicalMessage {
  bool transactional = false;
  Lsn lsn;
  std::string_view prefix, content;
};

enum class MessageKind : std::uint8_t { begin, commit, relation, insert, update, remove, truncate, logical, origin, type };

struct Message {
  MessageKind kind = MessageKind::origin;
  BeginMessage begin;
  CommitMessage commit;
  RelationMessage relation;
  ChangeMessage change;
  TruncateMessage truncate;
  LogicalMessage logical;
};

// Fills `into` with the one message that `bytes` are. Code::corrupt when they are cut or of an unknown kind.
Result<void> decode_pgoutput(std::span<const std::byte> bytes, Message& into);

}  // namespace tidemill::connect::postgres
