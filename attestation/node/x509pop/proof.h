// Proof of possession (attestation 3.5): the challenge, its answer, and the check of the answer. Agent and server share
// it. digest = SHA-256(challenge nonce || response nonce) is what is signed: RSASSA-PSS with SHA-256, or ECDSA over the
// key's curve. Any RSA size and curve that OpenSSL reads will do: the key is the operator's, not one of ours. Pure but
// for the random nonces, which come from OpenSSL's generator. An RSA answer takes a few milliseconds.
#pragma once

#include <memory>
#include <string_view>

#include "attestation/node/x509pop/messages.h"
#include "runtime/core/secret_bytes.h"

struct evp_pkey_st;

namespace steeple::attestation::x509pop {

// The operator's private key, read from PEM the way Go's tls.X509KeyPair reads it: the first block whose type is
// "PRIVATE KEY" or ends so (PKCS#8, PKCS#1, SEC 1); blocks before it are passed over.
class ProofKey {
 public:
  static runtime::Result<ProofKey> from_pem(std::string_view pem);

  runtime::Bytes public_key() const;  // SubjectPublicKeyInfo DER
  runtime::Result<Response> answer(const Challenge& challenge) const;

 private:
  explicit ProofKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
  std::shared_ptr<evp_pkey_st> key_;
};

// For the public key of a leaf certificate (DER), which must be meant for digital signatures.
runtime::Result<Challenge> make_challenge(runtime::BytesView leaf);
runtime::Result<void> verify_response(runtime::BytesView leaf, const Challenge& challenge, const Response& response);

// Whether the certificate (DER) holds this public key.
bool holds_public_key(runtime::BytesView certificate, const ProofKey& key);

}  // namespace steeple::attestation::x509pop
