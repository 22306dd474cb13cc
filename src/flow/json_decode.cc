#include "flow/json_decode.h"

#include <cctype>

#include "flow/value_text.h"

namespace tidemill::flow {
namespace {

using record::Kind;
using Token = JsonCursor::Token;

std::string folded(std::string_view name) {
  std::string out(name);
  for (auto& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

// Java's narrowing: INTEGER keeps the low 32 bits.
std::int64_t narrow(Kind kind, std::int64_t v) { return kind == Kind::integer || kind == Kind::date ? static_cast<std::int32_t>(v) : v; }

// A JSON number as a whole one: fractions are cut.
std::int64_t whole_of(const JsonCursor::Number& n) {
  if (n.whole) {
    if (auto v = parse_whole(n.text, INT64_MIN, INT64_MAX)) return *v;
  }
  auto v = parse_double(n.text).value_or(0);
  if (v >= 9.2233720368547758e18) return INT64_MAX;
  if (v <= -9.2233720368547758e18) return INT64_MIN;
  return static_cast<std::int64_t>(v);
}

bool is_whole(Kind kind) {
  return kind == Kind::integer || kind == Kind::bigint || kind == Kind::date || kind == Kind::time || kind == Kind::timestamp;
}

}  // namespace

JsonShape::JsonShape(const record::Type& type) : type_(type) {
  if (type.kind() == Kind::array || type.kind() == Kind::map) element_ = std::make_unique<JsonShape>(type.element());
  if (type.kind() != Kind::struct_) return;
  std::vector<JsonObject::FieldPlan> fields;
  for (auto& f : type.fields()) fields.push_back({f.name, f.type});
  fields_ = std::make_unique<JsonObject>(fields);
}

bool JsonShape::refuse(JsonCursor& in, Token token) {
  static constexpr const char* names[] = {"an object", "an array", "a string", "a number", "true", "false", "null", "nothing"};
  if (token == Token::bad) return in.skip();  // says what is wrong with the text itself
  why_ = std::string("cannot read ") + names[static_cast<int>(token)] + " as " + type_.text();
  return in.fail("value does not fit its column");
}

bool JsonShape::decode(JsonCursor& in, record::Column* out, record::Arena& arena) {
  auto token = in.peek();
  if (token == Token::null) {
    if (!in.literal("null")) return false;
    if (out) out->append_null();
    return true;
  }
  switch (type_.kind()) {
    case Kind::array: return token == Token::array ? decode_list(in, out, arena) : refuse(in, token);
    case Kind::map: return token == Token::object ? decode_map(in, out, arena) : refuse(in, token);
    case Kind::struct_: {
      if (token != Token::object) return refuse(in, token);
      std::vector<record::Column*> outs(fields_->size(), nullptr);
      if (out)
        for (std::size_t i = 0; i < outs.size(); ++i) outs[i] = &out->parts[i];
      if (!fields_->decode(in, outs, arena)) {
        why_ = fields_->why();
        return false;
      }
      if (out) out->valid.push_back(1);
      return true;
    }
    case Kind::string: return decode_text(in, token, out, arena);
    default: return decode_scalar(in, token, out, arena);
  }
}

bool JsonShape::decode_text(JsonCursor& in, Token token, record::Column* out, record::Arena& arena) {
  if (token == Token::bad) return in.skip();
  if (token != Token::string) {  // numbers, booleans and nested values as their JSON text
    std::string_view span;
    if (!in.skip(&span)) return false;
    if (out) out->append_text(span);
    return true;
  }
  JsonCursor::String text;
  if (!in.string(text)) return false;
  if (!out) return true;
  if (text.escaped) {
    std::string_view plain;
    if (!unescape(text.raw, arena, plain)) return in.fail("bad escape");
    out->append_text(plain);
  } else {
    out->append_text(text.raw);
  }
  return true;
}

bool JsonShape::decode_scalar(JsonCursor& in, Token token, record::Column* out, record::Arena& arena) {
  auto kind = type_.kind();
  if (kind == Kind::boolean) {
    if (token != Token::true_ && token != Token::false_) return refuse(in, token);
    if (!in.literal(token == Token::true_ ? "true" : "false")) return false;
    if (out) out->append_whole(token == Token::true_);
    return true;
  }
  JsonCursor::Number number{};
  std::string plain;
  if (token == Token::number && kind != Kind::bytes) {
    if (!in.number(number)) return false;
  } else if (token == Token::string) {
    JsonCursor::String text;
    if (!in.string(text)) return false;
    number.text = text.raw;
    if (text.escaped) {
      if (!unescape(text.raw, plain)) return in.fail("bad escape");
      number.text = plain;
    }
  } else {
    return refuse(in, token);
  }
  if (kind == Kind::bytes) {
    auto bytes = base64_bytes(number.text);
    if (!bytes) return refuse(in, token);
    if (out) out->append_text(arena.keep(*bytes));
  } else if (kind == Kind::double_) {
    auto v = parse_double(number.text);
    if (!v && token == Token::string) {
      if (number.text == "NaN") v = std::numeric_limits<double>::quiet_NaN();
      else if (number.text == "Infinity") v = std::numeric_limits<double>::infinity();
      else if (number.text == "-Infinity") v = -std::numeric_limits<double>::infinity();
    }
    if (!v) return refuse(in, token);
    if (out) out->append_real(*v);
  } else if (kind == Kind::decimal) {
    auto v = parse_decimal(number.text, type_.precision(), type_.scale(), Excess::refuse);
    if (!v) return refuse(in, token);
    if (out) out->append_decimal(*v);
  } else if (token == Token::number) {
    if (out) out->append_whole(narrow(kind, whole_of(number)));
  } else {
    auto v = is_whole(kind) ? parse_whole(number.text, kind == Kind::integer ? INT32_MIN : INT64_MIN, kind == Kind::integer ? INT32_MAX : INT64_MAX)
                            : std::nullopt;
    if (!v) return refuse(in, token);
    if (out) out->append_whole(narrow(kind, *v));
  }
  return true;
}

bool JsonShape::decode_list(JsonCursor& in, record::Column* out, record::Arena& arena) {
  if (!in.open_array()) return false;
  for (bool first = true; in.element(first); first = false)
    if (!element_->decode(in, out ? &out->parts[0] : nullptr, arena)) {
      why_ = element_->why();
      return false;
    }
  if (!in.ok()) return false;
  if (!out) return true;
  out->ends.push_back(static_cast<std::uint32_t>(out->parts[0].size()));
  out->valid.push_back(1);
  return true;
}

bool JsonShape::decode_map(JsonCursor& in, record::Column* out, record::Arena& arena) {
  if (!in.open_object()) return false;
  JsonCursor::String name;
  for (bool first = true; in.field(name, first); first = false) {
    auto key = name.raw;
    if (name.escaped && !unescape(name.raw, arena, key)) return in.fail("bad escape");
    if (!element_->decode(in, out ? &out->parts[1] : nullptr, arena)) {
      why_ = element_->why();
      return false;
    }
    if (out) out->parts[0].append_text(key);
  }
  if (!in.ok()) return false;
  if (!out) return true;
  out->ends.push_back(static_cast<std::uint32_t>(out->parts[0].size()));
  out->valid.push_back(1);
  return true;
}

JsonObject::JsonObject(const std::vector<FieldPlan>& fields) : seen_(fields.size(), 0) {
  for (auto& f : fields) {
    names_.push_back(folded(f.name));
    shapes_.emplace_back(f.type);
  }
}

int JsonObject::find_folded(std::string_view name) const {
  auto wanted = folded(name);
  for (std::size_t i = 0; i < names_.size(); ++i)
    if (names_[i] == wanted) return static_cast<int>(i);
  return -1;
}

int JsonObject::find(const JsonCursor::String& name, std::size_t place) {
  static constexpr std::size_t learned_max = 256;  // objects with a different order every time must not make us grow
  if (place < learned_.size() && learned_[place].spelling == name.raw) [[likely]] return learned_[place].field;
  auto plain = name.raw;
  if (name.escaped && unescape(name.raw, unescaped_)) plain = unescaped_;
  auto field = find_folded(plain);
  if (place < learned_max) {
    if (place >= learned_.size()) learned_.resize(place + 1);
    learned_[place] = {std::string(name.raw), field};
  }
  return field;
}

bool JsonObject::decode(JsonCursor& in, std::span<record::Column* const> outs, record::Arena& arena) {
  if (!in.open_object()) return false;
  auto object = ++object_;
  failed_ = -1;
  JsonCursor::String name;
  std::size_t place = 0, found = 0;
  for (; in.field(name, place == 0); ++place) {
    auto field = find(name, place);
    if (field < 0 || seen_[static_cast<std::size_t>(field)] == object) {
      if (!in.skip()) return false;
      continue;
    }
    auto at = static_cast<std::size_t>(field);
    seen_[at] = object;
    ++found;
    if (shapes_[at].decode(in, outs[at], arena)) continue;
    failed_ = field;
    return false;
  }
  if (!in.ok()) return false;
  if (found < outs.size())
    for (std::size_t i = 0; i < outs.size(); ++i)
      if (outs[i] && seen_[i] != object) outs[i]->append_null();
  return true;
}

std::string JsonObject::why() const {
  if (failed_ < 0) return {};
  auto at = static_cast<std::size_t>(failed_);
  return shapes_[at].why().empty() ? std::string() : "field " + names_[at] + ": " + shapes_[at].why();
}

}  // namespace tidemill::flow
