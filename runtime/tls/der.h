// Writes DER (X.690), definite lengths only: enough for keys, CSRs and certificates, where OpenSSL 3.0's encoders cost
// more than the arithmetic. Reads the length of the first element of a stream. For the sources of runtime/tls only.
#pragma once

#include <initializer_list>
#include <string_view>

#include "runtime/core/bytes.h"
#include "runtime/core/clock.h"
#include "runtime/core/result.h"

namespace steeple::runtime::der {

enum Tag : std::uint8_t {
  kInteger = 0x02,
  kBitString = 0x03,
  kOctetString = 0x04,
  kOid = 0x06,
  kUtf8String = 0x0c,
  kPrintableString = 0x13,
  kUtcTime = 0x17,
  kGeneralizedTime = 0x18,
  kSequence = 0x30,
  kSet = 0x31,
};
constexpr std::uint8_t context(unsigned number, bool constructed) {
  return static_cast<std::uint8_t>(0x80 | (constructed ? 0x20 : 0) | number);
}

// One element of `tag` whose contents are the parts, one after the other.
Bytes element(std::uint8_t tag, std::initializer_list<BytesView> parts);
Bytes element(std::uint8_t tag, BytesView contents);
Bytes integer(BytesView big_endian);        // positive: a zero byte goes before a set top bit
Bytes bit_string(BytesView bytes);          // no unused bits
Bytes named_bits(unsigned bits_lsb_first);  // a NamedBitList: bit 0 of the value is bit 0 of the list
Bytes boolean_true();
Bytes text(std::string_view value);  // PrintableString if it can be, else UTF8String
Bytes time(WallTime time);           // UTCTime for 1950 to 2049, else GeneralizedTime; whole seconds

// Size of the first element with its header. kMalformed when the bytes do not start with a whole element.
Result<std::size_t> first_element_size(BytesView bytes);

}  // namespace steeple::runtime::der
