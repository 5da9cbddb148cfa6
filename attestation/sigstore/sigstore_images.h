// Sigstore for an attestor of containers: everything an ImageVerifier needs, made from the configuration. Requests to
// registries, to Rekor and for trust roots run on workers of its own, so that a registry that hangs holds up nothing
// else. Owned by the attestor; close() is awaited before it dies. I/O thread only.
#pragma once

#include <memory>
#include <optional>

#include "attestation/sigstore/config.h"
#include "attestation/sigstore/image_verification.h"
#include "attestation/sigstore/image_verifier.h"

namespace steeple::attestation {

class SigstoreImages final : public ImageTrust {
 public:
  SigstoreImages(std::shared_ptr<const SigstoreConfig> config, Environment environment, runtime::Loop& loop,
                 runtime::Logger log);
  ~SigstoreImages() override;

  // Loads the trust roots.
  runtime::Task<runtime::Result<void>> prepare(runtime::Deadline deadline, runtime::StopToken stop) override;
  runtime::Task<runtime::Result<ImageSelectors>> verify(std::string image_id, runtime::Deadline deadline,
                                                        runtime::StopToken stop) override;
  runtime::Task<void> close() override;

 private:
  class Layers;
  runtime::Result<std::unique_ptr<ImageSource>> open(const ImageReference& image);
  runtime::Result<RegistryLogin> login_for(const ImageReference& image) const;
  void warn_of_incomplete_credentials() const;

  std::shared_ptr<const SigstoreConfig> config_;
  Environment environment_;
  runtime::Loop& loop_;
  runtime::Logger log_;
  runtime::WorkerPool workers_;
  runtime::HttpClient http_;
  std::shared_ptr<const runtime::HttpTls> tls_;  // the system's roots
  std::unique_ptr<Layers> layers_;
  std::optional<VerificationParts> parts_;
  ImageVerifier verifier_;
};

}  // namespace steeple::attestation
