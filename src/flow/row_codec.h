// Cells as bytes, for the keys and rows that state keeps: 0 for NULL, or 1 and the value (8 or 16 bytes little-endian, or a length
// and the text; nested values part by part). Equal cells give equal bytes. docs/formats/flow-snapshot.md rests on it.
#pragma once

#include <string>

#include "bytes/cursor.h"
#include "record/chunk.h"

namespace tidemill::flow {

void encode_cell(const record::Column& column, std::size_t row, std::string& out);
// Appends the cell to `column`; text is copied into `arena`. False when the bytes are not of this type.
bool decode_cell(ByteReader& in, record::Column& column, record::Arena& arena);

}  // namespace tidemill::flow
