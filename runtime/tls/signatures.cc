// Signing and verifying, and what can be told from a public key.
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>

#include "runtime/tls/der.h"
#include "runtime/tls/keys.h"
#include "runtime/tls/openssl_handles.h"

namespace steeple::runtime {
namespace {

bool is_pss_scheme(SignatureScheme scheme) {
  return scheme == SignatureScheme::kRsaPssSha256 || scheme == SignatureScheme::kRsaPssSha384 ||
         scheme == SignatureScheme::kRsaPssSha512;
}

bool is_rsa_scheme(SignatureScheme scheme) {
  return is_pss_scheme(scheme) || scheme == SignatureScheme::kRsaPkcs1Sha256 ||
         scheme == SignatureScheme::kRsaPkcs1Sha384 || scheme == SignatureScheme::kRsaPkcs1Sha512;
}

// Fetched once: an implicit fetch for each operation costs microseconds in OpenSSL 3.0.
const EVP_MD* digest_of(SignatureScheme scheme) {
  static EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  static EVP_MD* const sha384 = EVP_MD_fetch(nullptr, "SHA384", nullptr);
  static EVP_MD* const sha512 = EVP_MD_fetch(nullptr, "SHA512", nullptr);
  switch (scheme) {
    case SignatureScheme::kEcdsaSha384:
    case SignatureScheme::kRsaPkcs1Sha384:
    case SignatureScheme::kRsaPssSha384:
      return sha384;
    case SignatureScheme::kEcdsaSha512:
    case SignatureScheme::kRsaPkcs1Sha512:
    case SignatureScheme::kRsaPssSha512:
      return sha512;
    default:
      return sha256;
  }
}

bool set_padding(EVP_PKEY_CTX* context, SignatureScheme scheme) {
  if (!is_rsa_scheme(scheme)) return true;
  int padding = is_pss_scheme(scheme) ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING;
  return EVP_PKEY_CTX_set_rsa_padding(context, padding) == 1;
}

OpensslPtr<EVP_PKEY> read_spki(BytesView spki) {
  const unsigned char* at = spki.data();
  OpensslPtr<EVP_PKEY> key(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
  if (key && at != spki.data() + spki.size()) key.reset();
  clear_openssl_errors();
  return key;
}

Bytes big_endian(const BIGNUM* number) {
  Bytes out(static_cast<std::size_t>(BN_num_bytes(number)));
  BN_bn2bin(number, out.data());
  return out;
}

}  // namespace

Result<Bytes> PrivateKey::sign(SignatureScheme scheme, BytesView message) const {
  if (is_rsa(type()) != is_rsa_scheme(scheme))
    return Error(ErrorCode::kInvalidArgument, "signature scheme is not of this type of key");
  OpensslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* parameters = nullptr;
  if (!context || EVP_DigestSignInit(context.get(), &parameters, digest_of(scheme), nullptr, native()) != 1 ||
      !set_padding(parameters, scheme)) {
    return openssl_error(ErrorCode::kInternal, "sign");
  }
  // RSA-PSS signs with the longest salt the key has room for, Go's PSSSaltLengthAuto.
  std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(native()));
  Bytes signature(size);
  if (EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1) {
    return openssl_error(ErrorCode::kInternal, "sign");
  }
  signature.resize(size);
  return signature;
}

Result<void> verify_signature(BytesView spki, SignatureScheme scheme, BytesView message, BytesView signature) {
  OpensslPtr<EVP_PKEY> key = read_spki(spki);
  if (!key) return Error(ErrorCode::kMalformed, "unreadable public key");
  if (EVP_PKEY_is_a(key.get(), "RSA") != static_cast<int>(is_rsa_scheme(scheme))) {
    return Error(ErrorCode::kInvalidArgument, "signature scheme is not of this type of key");
  }
  OpensslPtr<EVP_MD_CTX> context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* parameters = nullptr;
  bool verified =
      context && EVP_DigestVerifyInit(context.get(), &parameters, digest_of(scheme), nullptr, key.get()) == 1 &&
      set_padding(parameters, scheme) &&
      EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
  clear_openssl_errors();
  if (!verified) return Error(ErrorCode::kUnauthenticated, "signature verification failed");
  return {};
}

bool same_public_key(BytesView spki_a, BytesView spki_b) {
  if (std::equal(spki_a.begin(), spki_a.end(), spki_b.begin(), spki_b.end())) return !spki_a.empty();
  OpensslPtr<EVP_PKEY> a = read_spki(spki_a);
  OpensslPtr<EVP_PKEY> b = read_spki(spki_b);
  bool same = a && b && EVP_PKEY_eq(a.get(), b.get()) == 1;
  clear_openssl_errors();
  return same;
}

Result<PublicKeyInfo> public_key_info(BytesView spki) {
  OpensslPtr<EVP_PKEY> key = read_spki(spki);
  if (!key) return Error(ErrorCode::kMalformed, "unreadable public key");
  PublicKeyInfo info;
  info.rsa = EVP_PKEY_is_a(key.get(), "RSA") == 1;
  if (!info.rsa && EVP_PKEY_is_a(key.get(), "EC") != 1) {
    return Error(ErrorCode::kInvalidArgument, "unsupported type of public key");
  }
  info.bits = EVP_PKEY_get_bits(key.get());
  return info;
}

Result<EcdsaSignature> split_ecdsa_signature(BytesView der) {
  const unsigned char* at = der.data();
  ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
  if (signature == nullptr) return openssl_error(ErrorCode::kMalformed, "parse ECDSA signature");
  EcdsaSignature parts{big_endian(ECDSA_SIG_get0_r(signature)), big_endian(ECDSA_SIG_get0_s(signature))};
  ECDSA_SIG_free(signature);
  if (at != der.data() + der.size()) return Error(ErrorCode::kMalformed, "parse ECDSA signature: trailing data");
  return parts;
}

Result<Bytes> join_ecdsa_signature(const EcdsaSignature& signature) {
  constexpr std::size_t kNumberMax = 66;
  if (signature.r.empty() || signature.s.empty() || signature.r.size() > kNumberMax ||
      signature.s.size() > kNumberMax) {
    return Error(ErrorCode::kMalformed, "ECDSA signature numbers are out of range");
  }
  return der::element(der::kSequence, {der::integer(signature.r), der::integer(signature.s)});
}

}  // namespace steeple::runtime
