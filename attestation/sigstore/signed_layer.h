// One signature, or one attestation, of an image as cosign keeps it in the registry: a layer of the manifest that is
// tagged `sha256-DIGEST.sig` or `.att` (cosign's SIGNATURE_SPEC). A value; nothing of it is believed yet.
#pragma once

#include <map>
#include <string>

namespace steeple::attestation {

inline constexpr char kSignatureAnnotation[] = "dev.cosignproject.cosign/signature";  // base64, of the payload
inline constexpr char kCertificateAnnotation[] = "dev.sigstore.cosign/certificate";   // PEM, the signer's
inline constexpr char kChainAnnotation[] = "dev.sigstore.cosign/chain";               // PEM, its issuers
inline constexpr char kBundleAnnotation[] = "dev.sigstore.cosign/bundle";             // JSON, Rekor's receipt

struct SignedLayer {
  std::string media_type;
  std::map<std::string, std::string> annotations;
  std::string payload;  // the layer's blob, whose digest has been checked
};

}  // namespace steeple::attestation
