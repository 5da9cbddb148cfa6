// The protobuf wire format, as far as a server without generated messages needs it: fields in, fields out. Sans I/O, no
// allocation when reading. Groups are not read: a message with one is malformed here.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/core/bytes.h"

namespace steeple::runtime::grpc {

enum class WireType : std::uint8_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5 };

struct WireField {
  std::uint32_t number = 0;
  WireType type = WireType::kVarint;
  std::uint64_t value = 0;  // of a varint or fixed field
  BytesView bytes;          // of a length-delimited one; points into the message
};

class WireReader {
 public:
  explicit WireReader(BytesView message) : rest_(message) {}
  // The next field; false at the end, and where the message is malformed.
  bool next(WireField& field);
  bool malformed() const { return malformed_; }

 private:
  bool fail();
  bool read_varint(std::uint64_t& value);
  bool read_fixed(std::size_t size, std::uint64_t& value);
  BytesView rest_;
  bool malformed_ = false;
};

void append_varint(std::string& message, std::uint64_t value);  // without a tag, for packed fields
void append_number(std::string& message, std::uint32_t field, std::uint64_t value);
void append_bytes(std::string& message, std::uint32_t field, std::string_view bytes);

}  // namespace steeple::runtime::grpc
