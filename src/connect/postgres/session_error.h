// What PostgreSQL's complaints mean for somebody who configures a connector.
#pragma once

#include "base/result.h"
#include "connect/postgres/session.h"

namespace tidemill::connect::postgres {

// Why a connection could not be made; `said` is libpq's text.
Error connection_error(const Server& server, std::string_view said);
// Why a statement failed. `sqlstate` may be empty.
Error statement_error(const Server& server, std::string_view sqlstate, std::string_view said);

}  // namespace tidemill::connect::postgres
