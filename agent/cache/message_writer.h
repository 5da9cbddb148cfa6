// Writes a gRPC message of length-delimited fields into memory of its exact size, so that no copy of a key or a token
// is left behind by a buffer that grew. For the few answers that carry secrets; field numbers below 16. Any thread.
#pragma once

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <cstdint>

#include "runtime/core/assert.h"
#include "runtime/core/bytes.h"
#include "runtime/core/shared_bytes.h"

namespace steeple::agent {

inline std::size_t field_size(std::size_t size) {
  return 1 + google::protobuf::io::CodedOutputStream::VarintSize64(size) + size;
}
// proto3: an empty field is not written.
inline std::size_t optional_field_size(std::size_t size) { return size == 0 ? 0 : field_size(size); }

class MessageWriter {
 public:
  explicit MessageWriter(std::size_t message_size) : framed_(kPrefixSize + message_size), out_(framed_.data()) {
    *out_++ = 0;  // not compressed
    for (unsigned i = 0; i < 4; ++i) *out_++ = static_cast<std::uint8_t>(message_size >> (24 - 8 * i));
  }
  void header(std::uint32_t field, std::size_t size) {
    *out_++ = static_cast<std::uint8_t>(field << 3 | 2);
    out_ = google::protobuf::io::CodedOutputStream::WriteVarint64ToArray(size, out_);
  }
  void bytes(std::uint32_t field, runtime::BytesView value) {
    header(field, value.size());
    out_ = std::copy(value.begin(), value.end(), out_);
  }
  void optional_bytes(std::uint32_t field, runtime::BytesView value) {
    if (!value.empty()) bytes(field, value);
  }
  // All that was announced has been written.
  runtime::SharedBytes take_secret() {
    STEEPLE_ASSERT(out_ == framed_.data() + framed_.size());
    return runtime::SharedBytes(std::move(framed_), /*secret=*/true);
  }

 private:
  static constexpr std::size_t kPrefixSize = 5;
  runtime::Bytes framed_;
  std::uint8_t* out_;
};

}  // namespace steeple::agent
