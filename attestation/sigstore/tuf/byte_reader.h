// Reads numbers and pieces from the left of a byte string and remembers whether all of them were there.
#pragma once

#include "runtime/core/bytes.h"

namespace steeple::attestation {

class ByteReader {
 public:
  explicit ByteReader(runtime::BytesView bytes) : left_(bytes) {}

  std::uint64_t varint() {  // LEB128
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::uint64_t byte = little_endian(1);
      if (!good_) return 0;
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
    good_ = false;
    return 0;
  }
  std::uint64_t little_endian(std::size_t width) {  // up to 8 bytes
    std::uint64_t value = 0;
    const runtime::BytesView read = bytes(width);
    for (std::size_t i = 0; i < read.size(); ++i) value |= std::uint64_t{read[i]} << (8 * i);
    return value;
  }
  runtime::BytesView bytes(std::uint64_t size) {
    if (size > left_.size()) good_ = false;
    if (!good_) return {};
    const runtime::BytesView piece = left_.first(size);
    left_ = left_.subspan(size);
    return piece;
  }
  runtime::BytesView with_length() { return bytes(varint()); }

  bool good() const { return good_; }
  bool at_end() const { return left_.empty(); }
  std::size_t left() const { return left_.size(); }

 private:
  runtime::BytesView left_;
  bool good_ = true;
};

}  // namespace steeple::attestation
