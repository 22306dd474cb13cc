// The KAFKA format: one primitive as Kafka's own serializers write it. INTEGER 4 and BIGINT 8 bytes big-endian, DOUBLE 8, STRING UTF-8,
// BYTES as they are. No coercion, exact widths.
#pragma once

#include <string>

#include "record/chunk.h"

namespace tidemill::flow {

// `out` null: only checks. False when the width is wrong, the text is not UTF-8 or the type is not a primitive of the format.
bool decode_primitive(const record::Type& type, std::string_view bytes, record::Column* out);
// The row must not be NULL.
void encode_primitive(const record::Column& column, std::size_t row, std::string& out);
bool primitive_type(const record::Type& type);

}  // namespace tidemill::flow
