// From rows to records: keys and values in a sink's formats, and the partition a key belongs to. The opposite of decode.h.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "flow/expression.h"
#include "sql/source.h"

namespace tidemill::flow {

class RowEncoder {
 public:
  // `columns` as the operands will come; formats as the sink has them. Code::unsupported when a type has no form in its format.
  static Result<RowEncoder> make(const std::vector<sql::Column>& columns, const sql::Source& sink);

  // Replaces `out`. False: the key is null.
  bool key(std::span<const Operand> cells, std::uint32_t row, std::string& out) const;
  // Adds what a windowed key ends with.
  static void add_window(std::int64_t start_ms, std::string& out);
  // Replaces `out`. False: the value is null.
  bool value(std::span<const Operand> cells, std::uint32_t row, std::string& out) const;

 private:
  struct Part {
    std::size_t column;
    std::string before;  // {"NAME": or ,"NAME":
  };
  static bool write(const std::vector<Part>& parts, sql::Format format, bool bare, std::span<const Operand> cells, std::uint32_t row, std::string& out);

  sql::Format key_format_ = sql::Format::none, value_format_ = sql::Format::json;
  bool bare_key_ = true, bare_value_ = false;
  std::vector<Part> keys_, values_;
};

// Kafka's default partitioner: murmur2 of the key bytes.
std::uint32_t murmur2(std::string_view bytes);
inline std::size_t partition_of_key(std::string_view key, std::size_t partitions) { return (murmur2(key) & 0x7fffffffu) % partitions; }

}  // namespace tidemill::flow
