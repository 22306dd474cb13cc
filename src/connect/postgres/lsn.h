// A position in PostgreSQL's write-ahead log. Written by people and servers as two hexadecimal halves: 16/B374D848.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace tidemill::connect::postgres {

using Lsn = Ordinal<struct LsnTag, std::uint64_t>;

std::string lsn_text(Lsn lsn);
std::optional<Lsn> parse_lsn(std::string_view text);

}  // namespace tidemill::connect::postgres
