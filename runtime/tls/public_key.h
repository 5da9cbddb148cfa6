// A public key as numbers (a JWK's members) and as SubjectPublicKeyInfo. Pure functions, any thread.
#pragma once

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"

namespace steeple::runtime {

// EC: the coordinates, each as long as the curve's field. RSA: modulus and exponent without leading zeros.
struct PublicKeyNumbers {
  bool rsa = false;
  int bits = 0;  // EC: 256, 384 or 521
  Bytes first;   // x or n
  Bytes second;  // y or e
};

Result<PublicKeyNumbers> public_key_numbers(BytesView spki);
// Checks that the point is on its curve, and the RSA size against kRsaBitsMin and kRsaBitsMax. kMalformed otherwise.
Result<Bytes> encode_public_key(const PublicKeyNumbers& numbers);

}  // namespace steeple::runtime
