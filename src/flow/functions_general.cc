#include <fmt/core.h>

#include "flow/functions.h"
#include "flow/json_cursor.h"
#include "flow/value_text.h"

namespace tidemill::flow {
namespace {

using record::Value;

const std::string& text(const Value& v) { return std::get<std::string>(v.data); }

Result<Value> coalesce(const Call& c) {
  for (auto& arg : c.args)
    if (!arg.null()) return arg;
  return Value();
}

Result<Value> null_if(const Call& c) { return !c.args[0].null() && c.args[0] == c.args[1] ? Value() : c.args[0]; }

Result<Value> as_is(const Call& c) { return c.args[0]; }

// yyyy MM dd HH mm ss SSS and quoted text; other letters are refused rather than guessed.
Result<Value> format_timestamp(const Call& c) {
  constexpr std::int64_t day_ms = 86'400'000;
  auto ms = std::get<std::int64_t>(c.args[0].data);
  auto days = ms / day_ms - (ms % day_ms < 0);
  auto rest = ms - days * day_ms;
  auto date = civil_of_days(days);
  auto& pattern = text(c.args[1]);
  std::string out;
  for (std::size_t i = 0; i < pattern.size();) {
    char letter = pattern[i];
    if (letter == '\'') {
      auto end = pattern.find('\'', i + 1);
      if (end == std::string::npos) return fail(Code::invalid, "pattern has a quote without end");
      out += end == i + 1 ? "'" : pattern.substr(i + 1, end - i - 1);
      i = end + 1;
      continue;
    }
    std::size_t count = 1;
    while (i + count < pattern.size() && pattern[i + count] == letter) ++count;
    auto number = [&](std::int64_t v) { out += fmt::format("{:0{}}", v, count); };
    switch (letter) {
      case 'y':
      case 'u': number(count == 2 ? date.year % 100 : date.year); break;
      case 'M': number(date.month); break;
      case 'd': number(date.day); break;
      case 'H': number(rest / 3'600'000); break;
      case 'h': number((rest / 3'600'000 + 11) % 12 + 1); break;
      case 'm': number(rest / 60'000 % 60); break;
      case 's': number(rest / 1000 % 60); break;
      case 'S': out += (fmt::format("{:03}", rest % 1000) + "000000").substr(0, count); break;
      case 'a': out += rest < day_ms / 2 ? "AM" : "PM"; break;
      case 'X': out += "Z"; break;
      default:
        if ((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z'))
          return fail(Code::invalid, std::string("pattern letter ") + letter + " is not known");
        out.append(count, letter);
    }
    i += count;
  }
  return Value(std::move(out));
}

// One step of a path: a name or a place in an array.
struct PathStep {
  std::string name;
  std::int64_t place = -1;
};

Result<std::vector<PathStep>> parse_path(std::string_view path) {
  auto bad = [&] { return fail(Code::invalid, "not a JSON path: " + std::string(path)); };
  auto rest = path;
  if (!rest.starts_with('$')) return bad();
  rest.remove_prefix(1);
  std::vector<PathStep> steps;
  while (!rest.empty()) {
    bool bracket = rest.front() == '[';
    if (!bracket && rest.front() != '.') return bad();
    rest.remove_prefix(1);
    auto end = bracket ? rest.find(']') : rest.find_first_of(".[");
    if (bracket && end == std::string_view::npos) return bad();
    auto word = rest.substr(0, end);
    if (bracket && word.starts_with('"')) {
      auto quote = rest.find("\"]", 1);
      if (quote == std::string_view::npos) return bad();
      word = rest.substr(1, quote - 1);
      end = quote + 1;
      steps.push_back({std::string(word)});
    } else if (auto place = parse_whole(word, 0, INT32_MAX); bracket && place) {
      steps.push_back({{}, *place});
    } else {
      steps.push_back({std::string(word)});
    }
    rest.remove_prefix(std::min(rest.size(), end == std::string_view::npos ? rest.size() : end + bracket));
  }
  return steps;
}

// Finds the step's value in a checked text; empty when it is not there.
std::string_view descend(std::string_view json, const PathStep& step) {
  JsonCursor in(json);
  std::string_view span, found;
  if (step.place >= 0) {
    if (in.peek() != JsonCursor::Token::array || !in.open_array()) return {};
    for (std::int64_t i = 0; in.element(i == 0); ++i) {
      if (!in.skip(&span)) return {};
      if (i == step.place) return span;
    }
    return {};
  }
  if (in.peek() != JsonCursor::Token::object || !in.open_object()) return {};
  JsonCursor::String name;
  std::string plain;
  for (bool first = true; in.field(name, first); first = false) {
    if (!in.skip(&span)) return {};
    plain = name.raw;
    if (name.escaped) unescape(name.raw, plain);
    if (plain == step.name) found = span;
  }
  return found;
}

// JSON without blanks between its tokens.
std::string compact(std::string_view json) {
  std::string out;
  bool inside = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    char c = json[i];
    if (inside && c == '\\') { out.push_back(c); out.push_back(json[++i]); continue; }
    if (c == '"') inside = !inside;
    if (inside || (c != ' ' && c != '\n' && c != '\t' && c != '\r')) out.push_back(c);
  }
  return out;
}

Result<Value> extract_json(const Call& c) {
  std::string_view json = text(c.args[0]);
  TRY_ASSIGN(steps, parse_path(text(c.args[1])));
  JsonCursor whole(json);
  if (!whole.skip(&json)) return fail(Code::invalid, std::string("invalid JSON: ") + whole.error());  // what follows the value does no harm: readers of ksqlDB do not look at it
  for (auto& step : steps) {
    json = descend(json, step);
    if (json.empty()) return Value();
  }
  JsonCursor in(json);
  if (in.peek() != JsonCursor::Token::string) return Value(compact(json));
  JsonCursor::String found;
  std::string plain;
  if (!in.string(found) || !unescape(found.raw, plain)) return Value();
  return Value(std::move(plain));
}

constexpr ScalarFunction table[] = {
    {"COALESCE", coalesce, false},
    {"IFNULL", coalesce, false},
    {"NULLIF", null_if, false},
    {"AS_VALUE", as_is},
    {"FROM_UNIXTIME", as_is},
    {"UNIX_TIMESTAMP", as_is},
    {"FORMAT_TIMESTAMP", format_timestamp},
    {"EXTRACTJSONFIELD", extract_json},
};

}  // namespace

std::span<const ScalarFunction> general_functions() { return table; }

}  // namespace tidemill::flow
