// Verifies the signatures and attestations of one image (attestation 1.9; cosign's VerifyImageSignatures and
// VerifyImageAttestations as SPIRE calls them): its digest, what lies under the tags `sha256-HEX.sig` and `.att`, each
// layer by itself. One good signature is enough, and one good attestation where they are not ignored. Layers are held
// one at a time. I/O thread only; layers are verified on a worker.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attestation/sigstore/registry_client.h"
#include "attestation/sigstore/rekor_client.h"
#include "attestation/sigstore/signature_verifier.h"
#include "runtime/core/log.h"

namespace steeple::attestation {

inline constexpr std::size_t kImageSignatureBytesMax = 128 * 1024 * 1024;  // of all layers under one tag

enum class LayerKind { kSignature, kAttestation };

// What is done with a layer; SignatureVerifier and RekorClient, but for tests.
class LayerVerifier {
 public:
  virtual ~LayerVerifier() = default;
  virtual bool needs_entry(const SignedLayer& layer) const = 0;
  // I/O thread. `check` runs there, too.
  virtual runtime::Task<runtime::Result<RekorEntry>> find_entry(const SignedLayer& layer, RekorEntryCheck check,
                                                                runtime::Deadline deadline,
                                                                runtime::StopToken stop) = 0;
  // Any thread.
  virtual runtime::Result<VerifiedSignature> verify(LayerKind kind, const SignedLayer& layer, std::string_view digest,
                                                    const std::optional<RekorEntry>& entry) const = 0;
};

using OpenImageSource = std::function<runtime::Result<std::unique_ptr<ImageSource>>(const ImageReference& image)>;

// All of it outlives the verifications.
struct VerificationParts {
  runtime::Loop& loop;
  runtime::WorkerPool& workers;
  LayerVerifier& layers;
  OpenImageSource open;
  bool ignore_attestations = false;
  runtime::Logger log;
};

// The values of the image's selectors. Errors are upstream's texts; those of the deadline and of a stop keep their
// code. `parts` outlives the task.
runtime::Task<runtime::Result<std::vector<std::string>>> verify_image(const VerificationParts& parts,
                                                                      std::string image_id, runtime::Deadline deadline,
                                                                      runtime::StopToken stop);

}  // namespace steeple::attestation
