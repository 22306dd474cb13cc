// HTTP/1.1 as messages: what a request says and what a response will say. No I/O here; serve/http moves the bytes.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bytes/slice.h"

namespace tidemill::http {

bool same_name(std::string_view a, std::string_view b);  // ASCII letters compare without case

// Header fields in the order they came; names compare without case.
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<std::pair<std::string, std::string>> fields) : fields_(fields) {}
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  void set(std::string_view name, std::string value);         // replaces the first of that name, or adds
  std::string_view get(std::string_view name) const;          // the first of that name; empty when there is none
  bool has(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

using Fields = std::map<std::string, std::string, std::less<>>;

struct Request {
  std::string method;    // as sent: "GET"
  std::string raw_path;  // still percent-encoded, without the query; routes are matched on it, segment by segment
  std::string path;      // decoded; for messages
  std::string raw_query; // as sent, without the mark; for those who allow a name more than once
  Fields query;          // decoded; of a repeated name the last one
  Fields params;         // decoded path parameters, set by the router
  Headers headers;
  Slice body;
  bool keep_alive = true;
  bool chunked_allowed = true;  // false for HTTP/1.0

  std::string_view query_value(std::string_view name) const { return value_of(query, name); }  // empty when absent
  std::string_view param(std::string_view name) const { return value_of(params, name); }

 private:
  static std::string_view value_of(const Fields& fields, std::string_view name) {
    auto it = fields.find(name);
    return it == fields.end() ? std::string_view() : it->second;
  }
};

struct Response {
  int status = 200;
  Headers headers;  // Content-Length, Transfer-Encoding, Connection and Date are the server's
  Slice body;

  static Response json(int status, std::string body) { return typed(status, "application/json", std::move(body)); }
  static Response text(int status, std::string body) { return typed(status, "text/plain; charset=utf-8", std::move(body)); }
  static Response typed(int status, std::string content_type, std::string body);
};

// "a%20b" -> "a b"; nullopt for a broken escape or a NUL. In a query '+' is a blank as well.
std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_blank);
// Letters, digits and -._~ stay, the rest becomes %XX.
std::string percent_encoded(std::string_view text);

std::string_view reason_of(int status);

// The bytes of a response. A known length, or none: then the body comes in chunks (or, for HTTP/1.0, up to the close).
enum class Framing { length, chunked, until_close };
std::string response_head(int status, const Headers& headers, Framing framing, std::size_t length, bool keep_alive);
std::string chunk_head(std::size_t size);            // followed by the bytes and "\r\n"
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

}  // namespace tidemill::http
