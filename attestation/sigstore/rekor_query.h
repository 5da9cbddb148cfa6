// What Rekor is asked with for the entries of a signature: the entry that cosign would propose for it (cosign
// tlog.go; Rekor's openapi.yaml, SearchLogQuery). Pure.
#pragma once

#include <string>

#include "attestation/sigstore/signed_layer.h"
#include "runtime/core/result.h"

namespace steeple::attestation {

// The body of POST /api/v1/log/entries/retrieve. A signature's is a `hashedrekord`; an attestation's, whose signature
// annotation is empty, a `dsse` and an `intoto`. kMalformed: no signature annotation, or no certificate.
runtime::Result<std::string> rekor_query(const SignedLayer& layer);

}  // namespace steeple::attestation
