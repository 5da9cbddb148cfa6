#include "runtime/grpc/wire.h"

namespace steeple::runtime::grpc {
namespace {

constexpr std::uint64_t kFieldNumberMax = (1u << 29) - 1;
constexpr unsigned kVarintBits = 64;

}  // namespace

bool WireReader::fail() {
  malformed_ = true;
  rest_ = {};
  return false;
}

bool WireReader::read_varint(std::uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < kVarintBits; shift += 7) {
    if (rest_.empty()) return fail();
    const std::uint8_t byte = rest_.front();
    rest_ = rest_.subspan(1);
    if (shift == 63 && byte > 1) return fail();
    value |= std::uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return true;
  }
  return fail();
}

bool WireReader::read_fixed(std::size_t size, std::uint64_t& value) {
  if (rest_.size() < size) return fail();
  value = 0;
  for (std::size_t i = 0; i < size; ++i) value |= std::uint64_t{rest_[i]} << (8 * i);
  rest_ = rest_.subspan(size);
  return true;
}

bool WireReader::next(WireField& field) {
  if (rest_.empty()) return false;
  std::uint64_t tag = 0;
  if (!read_varint(tag)) return false;
  if (tag >> 3 == 0 || tag >> 3 > kFieldNumberMax) return fail();
  field = WireField();
  field.number = static_cast<std::uint32_t>(tag >> 3);
  field.type = static_cast<WireType>(tag & 7);
  switch (field.type) {
    case WireType::kVarint:
      return read_varint(field.value);
    case WireType::kFixed64:
      return read_fixed(8, field.value);
    case WireType::kFixed32:
      return read_fixed(4, field.value);
    case WireType::kLengthDelimited: {
      std::uint64_t size = 0;
      if (!read_varint(size)) return false;
      if (size > rest_.size()) return fail();
      field.bytes = rest_.first(size);
      rest_ = rest_.subspan(size);
      return true;
    }
  }
  return fail();
}

void append_varint(std::string& message, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) message.push_back(static_cast<char>(value | 0x80));
  message.push_back(static_cast<char>(value));
}

void append_number(std::string& message, std::uint32_t field, std::uint64_t value) {
  append_varint(message, std::uint64_t{field} << 3 | static_cast<std::uint64_t>(WireType::kVarint));
  append_varint(message, value);
}

void append_bytes(std::string& message, std::uint32_t field, std::string_view bytes) {
  append_varint(message, std::uint64_t{field} << 3 | static_cast<std::uint64_t>(WireType::kLengthDelimited));
  append_varint(message, bytes.size());
  message.append(bytes);
}

}  // namespace steeple::runtime::grpc
