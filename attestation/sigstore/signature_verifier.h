// Verifies one signature or attestation of an image, without I/O, as cosign 3 does for SPIRE (attestation 1.9; cosign's
// SIGNATURE_SPEC): the signer's certificate leads to a Fulcio root, was in a CT log and is of an allowed identity; its
// key has signed the payload; Rekor has seen that while the certificate was valid. Steeple asks one thing more: that
// the payload names the image (claims.h). Texts are cosign's, since they end in the operator's log. An immutable value
// that shares its parsed trust; any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attestation/sigstore/config.h"
#include "attestation/sigstore/rekor_entry.h"
#include "attestation/sigstore/signed_layer.h"
#include "attestation/sigstore/trust_material.h"
#include "runtime/core/clock.h"
#include "runtime/core/result.h"

namespace steeple::attestation {

inline constexpr std::size_t kSignedPayloadBytesMax = 32 * 1024 * 1024;  // attestations carry lists of materials
inline constexpr std::size_t kAnnotationBytesMax = 1024 * 1024;
inline constexpr std::size_t kLayerCertificatesMax = 16;  // in one annotation

struct VerifiedSignature {
  std::string subject;              // the certificate's first name; empty for attestations, as the next
  std::string issuer;               // who has identified the signer to Fulcio
  std::string signature;            // base64, as annotated
  std::optional<RekorEntry> entry;  // nothing where ignore_tlog
  std::vector<std::string> notes;   // for the log: retired keys that were relied on
};

class SignatureVerifier {
 public:
  // kMalformed when a certificate of the trust material cannot be read. A bad pattern among the identities fails at
  // each verification (identities.h).
  static runtime::Result<SignatureVerifier> make(const SigstoreConfig& config, TrustMaterial trust);

  // Whether the log has to be searched: it is wanted, and the layer has no bundle of its own.
  bool needs_entry(const SignedLayer& layer) const;

  // `image_digest` is "sha256:HEX"; `found` is what the search answered, its inclusion proof checked. `now` counts
  // where ignore_tlog leaves no other time. kMalformed, kLimit, kUnauthenticated, kUntrusted, kDenied.
  runtime::Result<VerifiedSignature> signature(const SignedLayer& layer, std::string_view image_digest,
                                               const std::optional<RekorEntry>& found, runtime::WallTime now) const;
  // The payload is a DSSE envelope of an in-toto statement, its signature annotation empty.
  runtime::Result<VerifiedSignature> attestation(const SignedLayer& layer, std::string_view image_digest,
                                                 const std::optional<RekorEntry>& found, runtime::WallTime now) const;

  // SPIRE's values, in its order: one for the image, one for its attestations, then each signature's.
  static std::vector<std::string> selectors(const std::vector<VerifiedSignature>& signatures, bool attested);

 private:
  struct Impl;
  explicit SignatureVerifier(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace steeple::attestation
