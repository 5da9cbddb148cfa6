// Proof of possession (attestation 3.5): the challenge, its answer, and the check of the answer. Agent and server share it.
// digest = SHA-256(challenge nonce || response nonce) is what is signed: RSASSA-PSS with SHA-256, or ECDSA over the key's curve.
// Pure but for the random nonces, which are drawn from OpenSSL's generator. An RSA answer takes a few milliseconds.
#pragma once

#include "attestation/node/x509pop/messages.h"
#include "runtime/core/secret_bytes.h"

namespace steeple::attestation::x509pop {

// For the public key of a leaf certificate (DER), which must be meant for digital signatures.
runtime::Result<Challenge> make_challenge(runtime::BytesView leaf);

// `private_key` is PKCS#8 DER.
runtime::Result<Response> answer_challenge(const runtime::SecretBytes& private_key, const Challenge& challenge);

runtime::Result<void> verify_response(runtime::BytesView leaf, const Challenge& challenge, const Response& response);

}  // namespace steeple::attestation::x509pop
