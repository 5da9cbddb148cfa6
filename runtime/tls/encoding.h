// Digests, hexadecimal and base64. Pure functions, any thread.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"
#include "runtime/core/secret_bytes.h"

namespace steeple::runtime {

std::array<std::uint8_t, 20> sha1(BytesView bytes);
std::array<std::uint8_t, 32> sha256(BytesView bytes);
std::array<std::uint8_t, 64> sha512(BytesView bytes);
void random_bytes(std::span<std::uint8_t> out);

std::string to_hex(BytesView bytes);                    // lower case
Result<Bytes> hex_decode(std::string_view text);        // either case
std::string base64_encode(BytesView bytes);             // standard, padded
Result<Bytes> base64_decode(std::string_view text);     // standard, padded; line ends are passed over, as Go does
std::string base64url_encode(BytesView bytes);          // unpadded
Result<Bytes> base64url_decode(std::string_view text);  // unpadded

}  // namespace steeple::runtime
