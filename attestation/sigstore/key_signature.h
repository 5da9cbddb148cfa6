// Signatures by the keys that Sigstore's certificates may hold (sigstore's signature.LoadVerifier with SHA-256): ECDSA
// on P-256, P-384 and P-521, always over SHA-256; RSA PKCS#1 v1.5; Ed25519. Pure functions, any thread.
#pragma once

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"

namespace steeple::attestation {

// kInvalidArgument: "unsupported public key type".
runtime::Result<void> check_signing_key(runtime::BytesView spki);

// kUnauthenticated when the signature is not that of the message, in sigstore's words. ECDSA signatures are DER, or
// else r and s side by side (IEEE P1363).
runtime::Result<void> verify_key_signature(runtime::BytesView spki, runtime::BytesView message,
                                           runtime::BytesView signature);

}  // namespace steeple::attestation
