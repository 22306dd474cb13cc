#include "bytes/compression.h"

#include <lz4frame.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include "bytes/cursor.h"

namespace tidemill {
namespace {

Error too_large(std::size_t size_max) {
  return fail(Code::too_large, "decompressed batch is larger than " + std::to_string(size_max) + " bytes",
              "send smaller batches, or raise the limit");
}
Error broken(const char* codec) { return fail(Code::corrupt, std::string("batch is not valid ") + codec); }

constexpr std::size_t step_bytes = 64 * 1024;

Result<std::string> gunzip(std::span<const std::byte> input, std::size_t size_max) {
  z_stream z{};
  if (inflateInit2(&z, 15 + 32) != Z_OK) return fail(Code::internal, "zlib cannot start");
  z.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(input.data()));
  z.avail_in = static_cast<uInt>(input.size());
  std::string out;
  int state = Z_OK;
  while (state == Z_OK) {
    auto had = out.size();
    out.resize(had + step_bytes);
    z.next_out = reinterpret_cast<Bytef*>(out.data() + had);
    z.avail_out = step_bytes;
    state = inflate(&z, Z_NO_FLUSH);
    out.resize(out.size() - z.avail_out);
    if (out.size() > size_max) break;
    if (state == Z_OK && z.avail_in == 0 && z.avail_out > 0) state = Z_DATA_ERROR;
  }
  inflateEnd(&z);
  if (out.size() > size_max) return too_large(size_max);
  if (state != Z_STREAM_END) return broken("gzip");
  return out;
}

Result<std::string> gzip(std::span<const std::byte> input) {
  z_stream z{};
  if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    return fail(Code::internal, "zlib cannot start");
  std::string out(deflateBound(&z, input.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(input.data()));
  z.avail_in = static_cast<uInt>(input.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  auto state = deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  if (state != Z_STREAM_END) return fail(Code::internal, "gzip did not finish");
  return out;
}

constexpr std::string_view xerial_magic{"\x82SNAPPY\0", 8};

Result<std::string> unsnap_block(std::string_view block, std::size_t size_max) {
  std::size_t size = 0;
  if (!snappy::GetUncompressedLength(block.data(), block.size(), &size)) return broken("snappy");
  if (size > size_max) return too_large(size_max);
  std::string out(size, '\0');
  if (!snappy::RawUncompress(block.data(), block.size(), out.data())) return broken("snappy");
  return out;
}

Result<std::string> unsnap(std::span<const std::byte> input, std::size_t size_max) {
  auto text = as_text(input);
  if (!text.starts_with(xerial_magic)) return unsnap_block(text, size_max);
  ByteReader in(input);
  in.skip(16);  // magic, version, lowest compatible version
  std::string out;
  while (in.ok() && in.remaining() > 0) {
    auto size = in.u32();
    auto block = in.text(size);
    if (!in.ok()) return broken("snappy");
    TRY_ASSIGN(part, unsnap_block(block, size_max - out.size()));
    out += part;
  }
  return out;
}

std::string snap(std::span<const std::byte> input) {
  ByteWriter out;
  out.text(xerial_magic);
  out.u32(1);
  out.u32(1);
  for (std::size_t at = 0; at < input.size(); at += 32 * 1024) {
    auto block = as_text(input).substr(at, 32 * 1024);
    std::string packed;
    snappy::Compress(block.data(), block.size(), &packed);
    out.u32(static_cast<std::uint32_t>(packed.size()));
    out.text(packed);
  }
  return out.take();
}

Result<std::string> unlz4(std::span<const std::byte> input, std::size_t size_max) {
  LZ4F_dctx* raw = nullptr;
  if (LZ4F_isError(LZ4F_createDecompressionContext(&raw, LZ4F_VERSION))) return fail(Code::internal, "lz4 cannot start");
  std::unique_ptr<LZ4F_dctx, decltype(&LZ4F_freeDecompressionContext)> context(raw, LZ4F_freeDecompressionContext);
  std::string out;
  std::size_t at = 0, wanted = 1;
  while (wanted != 0 && at < input.size()) {
    auto had = out.size();
    out.resize(had + step_bytes);
    std::size_t made = step_bytes, read = input.size() - at;
    wanted = LZ4F_decompress(raw, out.data() + had, &made, input.data() + at, &read, nullptr);
    if (LZ4F_isError(wanted)) return broken("lz4");
    out.resize(had + made);
    at += read;
    if (out.size() > size_max) return too_large(size_max);
  }
  // The frame may still hold output after its last input byte was taken.
  while (wanted != 0) {
    auto had = out.size();
    out.resize(had + step_bytes);
    std::size_t made = step_bytes, read = 0;
    wanted = LZ4F_decompress(raw, out.data() + had, &made, nullptr, &read, nullptr);
    if (LZ4F_isError(wanted)) return broken("lz4");
    out.resize(had + made);
    if (out.size() > size_max) return too_large(size_max);
    if (made == 0) break;
  }
  if (wanted != 0) return broken("lz4");
  return out;
}

Result<std::string> unzstd(std::span<const std::byte> input, std::size_t size_max) {
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(), ZSTD_freeDCtx);
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, 27);
  ZSTD_inBuffer in{input.data(), input.size(), 0};
  std::string out;
  std::size_t left = 1;
  for (;;) {
    auto had = out.size();
    out.resize(had + step_bytes);
    ZSTD_outBuffer to{out.data() + had, step_bytes, 0};
    left = ZSTD_decompressStream(context.get(), &to, &in);
    if (ZSTD_isError(left)) return broken("zstd");
    out.resize(had + to.pos);
    if (out.size() > size_max) return too_large(size_max);
    if (in.pos == in.size && to.pos < step_bytes) break;
  }
  if (left != 0) return broken("zstd");
  return out;
}

}  // namespace

Result<std::string> decompress(Codec codec, std::span<const std::byte> input, std::size_t size_max) {
  switch (codec) {
    case Codec::none:
      if (input.size() > size_max) return too_large(size_max);
      return std::string(as_text(input));
    case Codec::gzip: return gunzip(input, size_max);
    case Codec::snappy: return unsnap(input, size_max);
    case Codec::lz4: return unlz4(input, size_max);
    case Codec::zstd: return unzstd(input, size_max);
  }
  return fail(Code::unsupported, "unknown compression codec");
}

Result<std::string> compress(Codec codec, std::span<const std::byte> input) {
  switch (codec) {
    case Codec::none: return std::string(as_text(input));
    case Codec::gzip: return gzip(input);
    case Codec::snappy: return snap(input);
    case Codec::lz4: {
      std::string out(LZ4F_compressFrameBound(input.size(), nullptr), '\0');
      auto size = LZ4F_compressFrame(out.data(), out.size(), input.data(), input.size(), nullptr);
      if (LZ4F_isError(size)) return fail(Code::internal, "lz4 did not finish");
      out.resize(size);
      return out;
    }
    case Codec::zstd: {
      std::string out(ZSTD_compressBound(input.size()), '\0');
      auto size = ZSTD_compress(out.data(), out.size(), input.data(), input.size(), 3);
      if (ZSTD_isError(size)) return fail(Code::internal, "zstd did not finish");
      out.resize(size);
      return out;
    }
  }
  return fail(Code::unsupported, "unknown compression codec");
}

}  // namespace tidemill
