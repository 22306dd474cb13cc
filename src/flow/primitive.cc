#include "flow/primitive.h"

#include <bit>

#include "base/check.h"
#include "bytes/cursor.h"
#include "flow/value_text.h"

namespace tidemill::flow {

using record::Kind;

bool primitive_type(const record::Type& type) {
  auto kind = type.kind();
  return kind == Kind::integer || kind == Kind::bigint || kind == Kind::double_ || kind == Kind::string || kind == Kind::bytes;
}

bool decode_primitive(const record::Type& type, std::string_view bytes, record::Column* out) {
  ByteReader in(bytes);
  switch (type.kind()) {
    case Kind::integer:
      if (bytes.size() != 4) return false;
      if (out) out->append_whole(in.i32());
      return true;
    case Kind::bigint:
      if (bytes.size() != 8) return false;
      if (out) out->append_whole(in.i64());
      return true;
    case Kind::double_:
      if (bytes.size() != 8) return false;
      if (out) out->append_real(in.f64());
      return true;
    case Kind::string:
      if (!valid_utf8(bytes)) return false;
      if (out) out->append_text(bytes);
      return true;
    case Kind::bytes:
      if (out) out->append_text(bytes);
      return true;
    default: return false;
  }
}

namespace {
template <class T>
void put_be(std::string& out, T v) {
  v = byteswap_of(v);
  out.append(reinterpret_cast<const char*>(&v), sizeof v);
}
}  // namespace

void encode_primitive(const record::Column& column, std::size_t row, std::string& out) {
  switch (column.type.kind()) {
    case Kind::integer: return put_be(out, static_cast<std::int32_t>(column.whole[row]));
    case Kind::bigint: return put_be(out, column.whole[row]);
    case Kind::double_: return put_be(out, std::bit_cast<std::uint64_t>(column.real[row]));
    case Kind::string:
    case Kind::bytes: out.append(column.text[row]); return;
    default: CHECK(false, "{} is not a primitive", column.type.text());
  }
}

}  // namespace tidemill::flow
