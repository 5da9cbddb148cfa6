#include "runtime/tls/public_key.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "runtime/tls/der.h"
#include "runtime/tls/keys.h"
#include "runtime/tls/openssl_handles.h"

namespace steeple::runtime {
namespace {

constexpr std::uint8_t kEcOid[] = {0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01};
constexpr std::uint8_t kP256Oid[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
constexpr std::uint8_t kP384Oid[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
constexpr std::uint8_t kP521Oid[] = {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23};
constexpr std::uint8_t kRsaAlgorithm[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                          0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};

Result<Bytes> number(EVP_PKEY* key, const char* name, std::size_t size) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &raw) != 1) return openssl_error(ErrorCode::kMalformed, "read public key");
  OpensslPtr<BIGNUM> value(raw);
  Bytes out(size != 0 ? size : static_cast<std::size_t>(BN_num_bytes(value.get())));
  if (BN_bn2binpad(value.get(), out.data(), static_cast<int>(out.size())) < 0) {
    return openssl_error(ErrorCode::kMalformed, "read public key");
  }
  return out;
}

Result<BytesView> curve_oid(int bits) {
  if (bits == 256) return BytesView(kP256Oid);
  if (bits == 384) return BytesView(kP384Oid);
  if (bits == 521) return BytesView(kP521Oid);
  return Error(ErrorCode::kMalformed, "unsupported elliptic curve");
}

Bytes encode_rsa(const PublicKeyNumbers& numbers) {
  Bytes key = der::element(der::kSequence, {der::integer(numbers.first), der::integer(numbers.second)});
  return der::element(der::kSequence, {BytesView(kRsaAlgorithm), der::bit_string(key)});
}

Result<Bytes> encode_ec(const PublicKeyNumbers& numbers) {
  STEEPLE_TRY(oid, curve_oid(numbers.bits));
  std::size_t size = static_cast<std::size_t>(numbers.bits + 7) / 8;
  if (numbers.first.size() != size || numbers.second.size() != size) {
    return Error(ErrorCode::kMalformed, "wrong length of an elliptic curve coordinate");
  }
  Bytes point{0x04};
  point.insert(point.end(), numbers.first.begin(), numbers.first.end());
  point.insert(point.end(), numbers.second.begin(), numbers.second.end());
  Bytes algorithm = der::element(der::kSequence, {BytesView(kEcOid), oid});
  return der::element(der::kSequence, {algorithm, der::bit_string(point)});
}

}  // namespace

Result<PublicKeyNumbers> public_key_numbers(BytesView spki) {
  STEEPLE_TRY(info, public_key_info(spki));
  const unsigned char* at = spki.data();
  OpensslPtr<EVP_PKEY> key(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
  PublicKeyNumbers numbers;
  numbers.rsa = info.rsa;
  numbers.bits = info.bits;
  std::size_t size = info.rsa ? 0 : static_cast<std::size_t>(info.bits + 7) / 8;
  if (!info.rsa) STEEPLE_CHECK(curve_oid(info.bits));
  STEEPLE_TRY(first, number(key.get(), info.rsa ? OSSL_PKEY_PARAM_RSA_N : OSSL_PKEY_PARAM_EC_PUB_X, size));
  STEEPLE_TRY(second, number(key.get(), info.rsa ? OSSL_PKEY_PARAM_RSA_E : OSSL_PKEY_PARAM_EC_PUB_Y, size));
  numbers.first = std::move(first);
  numbers.second = std::move(second);
  return numbers;
}

Result<Bytes> encode_public_key(const PublicKeyNumbers& numbers) {
  if (numbers.first.empty() || numbers.second.empty()) return Error(ErrorCode::kMalformed, "incomplete public key");
  if (numbers.first.size() > kRsaBitsMax / 8 + 1 || numbers.second.size() > kRsaBitsMax / 8 + 1) {
    return Error(ErrorCode::kLimit, "public key is too large");
  }
  Bytes spki;
  if (numbers.rsa) {
    spki = encode_rsa(numbers);
  } else {
    STEEPLE_TRY(encoded, encode_ec(numbers));
    spki = std::move(encoded);
  }
  STEEPLE_TRY(info, public_key_info(spki));  // reads it back: a point off its curve is refused here
  if (info.rsa && (info.bits < kRsaBitsMin || info.bits > kRsaBitsMax)) {
    return Error(ErrorCode::kMalformed, "RSA key of unsupported size");
  }
  return spki;
}

}  // namespace steeple::runtime
