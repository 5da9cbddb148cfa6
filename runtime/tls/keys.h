// Private and public keys: EC P-256 and P-384, RSA 2048 and 4096 are generated (server-sync 5.3 and 6.3); EC P-521 and
// RSA of other sizes are loaded too (attestation 3.5). Nothing else is accepted. A PrivateKey is an immutable value
// that shares its OpenSSL key; every function here is pure and may run on a worker thread. Encodings are Go's, byte for
// byte (endpoints 2.1). Key bytes travel in SecretBytes only.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"
#include "runtime/core/secret_bytes.h"

struct evp_pkey_st;

namespace steeple::runtime {

enum class KeyType { kEcP256, kEcP384, kRsa2048, kRsa4096, kEcP521, kRsaOther };
std::string_view to_string(KeyType type);  // "ec-p256", "ec-p384", "rsa-2048", "rsa-4096", "ec-p521", "rsa"
bool is_rsa(KeyType type);
inline constexpr int kRsaBitsMin = 1024;
inline constexpr int kRsaBitsMax = 16384;

enum class SignatureScheme {
  kEcdsaSha256,
  kEcdsaSha384,
  kEcdsaSha512,
  kRsaPkcs1Sha256,
  kRsaPkcs1Sha384,
  kRsaPkcs1Sha512,
  kRsaPssSha256,
  kRsaPssSha384,
  kRsaPssSha512,
};

class PrivateKey {
 public:
  static Result<PrivateKey> generate(KeyType type);  // one of the first four types
  static Result<PrivateKey> from_pkcs8(BytesView der);
  // The first private key block of the text: PKCS#8, SEC 1 (EC PRIVATE KEY) or PKCS#1 (RSA PRIVATE KEY); other blocks
  // are passed over. kNotFound when there is none. Encrypted keys are refused.
  static Result<PrivateKey> from_pem(std::string_view pem);

  KeyType type() const;
  const Bytes& public_key() const;      // SubjectPublicKeyInfo DER
  const SecretBytes& to_pkcs8() const;  // PKCS#8 DER, encoded when the key was made
  std::string to_pem() const;           // one "PRIVATE KEY" block; the caller wipes it (wipe_memory)

  // The message is hashed by the scheme. ECDSA signatures are DER. kInvalidArgument when the scheme is not of this key.
  Result<Bytes> sign(SignatureScheme scheme, BytesView message) const;
  // The scheme certificates and CSRs are signed with: ECDSA with SHA-256 (P-384: SHA-384), RSA PKCS#1 with SHA-256.
  SignatureScheme default_scheme() const;

  evp_pkey_st* native() const;  // for runtime/tls

 private:
  struct Impl;
  explicit PrivateKey(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  static Result<PrivateKey> adopt(evp_pkey_st* key);
  std::shared_ptr<const Impl> impl_;
};

// Whether two SubjectPublicKeyInfo encodings hold the same key. False when one of them cannot be read.
bool same_public_key(BytesView spki_a, BytesView spki_b);

// Type and size of a public key, for logs and limits ("EC 256", "RSA 2048"); kMalformed when it cannot be read.
struct PublicKeyInfo {
  bool rsa = false;
  int bits = 0;
};
Result<PublicKeyInfo> public_key_info(BytesView spki);

// kUnauthenticated when the signature is not that of the message.
Result<void> verify_signature(BytesView spki, SignatureScheme scheme, BytesView message, BytesView signature);

// The r and s of a DER ECDSA signature, big-endian without leading zeros, and back.
struct EcdsaSignature {
  Bytes r;
  Bytes s;
};
Result<EcdsaSignature> split_ecdsa_signature(BytesView der);
Result<Bytes> join_ecdsa_signature(const EcdsaSignature& signature);

}  // namespace steeple::runtime
