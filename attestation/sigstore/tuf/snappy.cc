#include "attestation/sigstore/tuf/snappy.h"

#include "attestation/sigstore/tuf/byte_reader.h"

namespace steeple::attestation {
namespace {

using runtime::Bytes;
using runtime::BytesView;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

constexpr unsigned kShortLiteralMax = 60;  // above, the length stands in 1 to 4 bytes

Error malformed() { return Error(ErrorCode::kMalformed, "snappy: corrupt input"); }

struct Copy {
  std::uint64_t length = 0;
  std::uint64_t offset = 0;
};

Copy read_copy(std::uint64_t tag, ByteReader& from) {
  if ((tag & 3) == 1) return {4 + (tag >> 2 & 7), (tag >> 5) << 8 | from.little_endian(1)};
  const std::size_t width = (tag & 3) == 2 ? 2 : 4;
  return {1 + (tag >> 2), from.little_endian(width)};
}

}  // namespace

Result<Bytes> snappy_decompress(BytesView block, std::size_t size_max) {
  ByteReader from(block);
  const std::uint64_t size = from.varint();
  if (!from.good()) return malformed();
  if (size > size_max) return Error(ErrorCode::kLimit, "snappy: decoded block is too large");
  Bytes out;
  out.reserve(size);
  while (from.good() && !from.at_end()) {
    const std::uint64_t tag = from.little_endian(1);
    if ((tag & 3) == 0) {
      std::uint64_t length = tag >> 2;
      if (length >= kShortLiteralMax) length = from.little_endian(length - kShortLiteralMax + 1);
      const BytesView literal = from.bytes(length + 1);
      if (!from.good() || literal.size() > size - out.size()) return malformed();
      out.insert(out.end(), literal.begin(), literal.end());
      continue;
    }
    const Copy copy = read_copy(tag, from);
    if (!from.good() || copy.offset == 0 || copy.offset > out.size() || copy.length > size - out.size()) {
      return malformed();
    }
    // The copy may reach into what it has just written.
    for (std::uint64_t i = 0; i < copy.length; ++i) out.push_back(out[out.size() - copy.offset]);
  }
  if (!from.good() || out.size() != size) return malformed();
  return out;
}

}  // namespace steeple::attestation
