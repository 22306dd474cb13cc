// Result<T>: how everything that can fail because of somebody else says so.
//
// Other people's mistakes and likely failures (a full disk, a bad frame, an unknown topic) come back as Error with a message
// and a hint that names the remedy. Our own mistakes stop the process (base/check.h). Exceptions do not cross a room.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace tidemill {

// What kind of failure it is, as far as a caller may want to act on it. Protocol codes are chosen from it at the edge.
enum class Code {
  invalid,          // the request can never succeed as it is
  not_found,
  already_exists,
  corrupt,          // a checksum or a structure does not hold
  too_large,
  unsupported,
  out_of_range,     // an offset or position that is not there
  out_of_order,     // an idempotent producer skipped a sequence number
  fenced,           // an older producer epoch, or a newer owner exists
  full,             // disk full: retriable
  unavailable,      // not now: retriable
  refused,          // permission, password
  cancelled,
  io,               // the operating system said no
  busy,             // somebody else holds it: port, lock, slot
  internal,
};

std::string_view code_name(Code code);

struct [[nodiscard]] Error {
  Code code = Code::internal;
  std::string message;  // one sentence, no trailing stop, no secret
  std::string hint;     // what to do next; may be empty

  std::string text() const { return hint.empty() ? message : message + "; " + hint; }
};

template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
  Result(Error error) : std::expected<T, Error>(std::unexpected(std::move(error))) {}
};

template <>
class [[nodiscard]] Result<void> : public std::expected<void, Error> {
 public:
  using std::expected<void, Error>::expected;
  Result(Error error) : std::expected<void, Error>(std::unexpected(std::move(error))) {}
};

inline Error fail(Code code, std::string message, std::string hint = {}) {
  return Error{code, std::move(message), std::move(hint)};
}

}  // namespace tidemill

// TRY(expr) leaves the function with the error of a Result<void>; TRY_ASSIGN(name, expr) declares name from a Result<T>.
#define TIDEMILL_JOIN2(a, b) a##b
#define TIDEMILL_JOIN(a, b) TIDEMILL_JOIN2(a, b)
#define TRY(expr)                                                        \
  do {                                                                   \
    if (auto try_result = (expr); !try_result) return std::move(try_result).error(); \
  } while (0)
#define TRY_ASSIGN(name, expr) TRY_ASSIGN_NAMED(TIDEMILL_JOIN(try_, __LINE__), name, expr)
#define TRY_ASSIGN_NAMED(tmp, name, expr) \
  auto tmp = (expr);                      \
  if (!tmp) return std::move(tmp).error(); \
  auto name = std::move(*tmp)
