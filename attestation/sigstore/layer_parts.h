// A layer's annotations, parsed: what every verification starts with. Pure, any thread.
#pragma once

#include <optional>
#include <string>

#include "attestation/sigstore/rekor_entry.h"
#include "attestation/sigstore/signed_layer.h"
#include "runtime/tls/x509.h"

namespace steeple::attestation {

struct LayerParts {
  std::string signature;                            // base64; empty for attestations
  std::optional<runtime::Certificate> certificate;  // always there; optional since it has no empty value
  std::optional<RekorEntry> bundle;
};

// The chain annotation must be readable, but is not used: under SPIRE cosign takes intermediates from the trust
// material alone, even if that has none. kMalformed, kLimit; "no certificate found on signature".
runtime::Result<LayerParts> read_layer(const SignedLayer& layer);

}  // namespace steeple::attestation
