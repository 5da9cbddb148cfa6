#include "attestation/sigstore/sigstore_images.h"

#include "attestation/sigstore/trust_roots.h"

namespace steeple::attestation {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::HttpRequest;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

namespace {

// A worker for each verification; their queue never fills, for a job that finds it full would run on the I/O thread.
constexpr unsigned kWorkers = kVerificationsAtOnce;
constexpr std::size_t kWorkerQueueMax = 4 * kVerificationsAtOnce;

}  // namespace

class SigstoreImages::Layers final : public LayerVerifier {
 public:
  Layers(SignatureVerifier verifier, RekorClient rekor) : verifier_(std::move(verifier)), rekor_(std::move(rekor)) {}

  bool needs_entry(const SignedLayer& layer) const override { return verifier_.needs_entry(layer); }
  Task<Result<RekorEntry>> find_entry(const SignedLayer& layer, RekorEntryCheck check, Deadline deadline,
                                      StopToken stop) override {
    return rekor_.find(layer, std::move(check), deadline, stop);
  }
  Result<VerifiedSignature> verify(LayerKind kind, const SignedLayer& layer, std::string_view digest,
                                   const std::optional<RekorEntry>& entry) const override {
    const runtime::WallTime now = std::chrono::system_clock::now();
    if (kind == LayerKind::kSignature) return verifier_.signature(layer, digest, entry, now);
    return verifier_.attestation(layer, digest, entry, now);
  }

 private:
  SignatureVerifier verifier_;
  RekorClient rekor_;
};

SigstoreImages::SigstoreImages(std::shared_ptr<const SigstoreConfig> config, Environment environment,
                               runtime::Loop& loop, runtime::Logger log)
    : config_(std::move(config)),
      environment_(std::move(environment)),
      loop_(loop),
      log_(std::move(log)),
      workers_(loop, kWorkers, kWorkerQueueMax),
      http_(loop, workers_),
      tls_(std::make_shared<const runtime::HttpTls>()),
      verifier_(
          loop, config_->skipped_images,
          [this](std::string image_id, Deadline deadline, StopToken stop) {
            return verify_image(*parts_, std::move(image_id), deadline, stop);
          },
          log_) {
  warn_of_incomplete_credentials();
}

SigstoreImages::~SigstoreImages() = default;

void SigstoreImages::warn_of_incomplete_credentials() const {
  for (const auto& [registry, credential] : config_->registry_credentials) {
    if (credential.username.empty() == credential.password.empty()) continue;
    log_.warning("Incomplete credentials for registry. Both username and password must be provided.",
                 {{"registry", registry}});
  }
}

Task<Result<void>> SigstoreImages::prepare(Deadline deadline, StopToken stop) {
  Result<TrustMaterial> trust = co_await load_trust_material(*config_, environment_, http_, deadline, stop, log_);
  if (!trust) co_return std::move(trust.error());
  RekorClient rekor(http_, config_->rekor_url, trust->rekor_keys);
  STEEPLE_CO_TRY(verifier, SignatureVerifier::make(*config_, std::move(*trust)));
  layers_ = std::make_unique<Layers>(std::move(verifier), std::move(rekor));
  parts_.emplace(VerificationParts{loop_, workers_, *layers_,
                                   [this](const ImageReference& image) { return open(image); },
                                   config_->ignore_attestations, log_});
  co_return Result<void>();
}

Task<Result<ImageSelectors>> SigstoreImages::verify(std::string image_id, Deadline deadline, StopToken stop) {
  return verifier_.verify(std::move(image_id), deadline, stop);
}

Task<void> SigstoreImages::close() { return verifier_.close(); }

Result<std::unique_ptr<ImageSource>> SigstoreImages::open(const ImageReference& image) {
  STEEPLE_TRY(login, login_for(image));
  const HttpSend send = [this](HttpRequest request, Deadline deadline, StopToken stop) {
    request.tls = tls_;
    return http_.send(std::move(request), deadline, stop);
  };
  return std::unique_ptr<ImageSource>(std::make_unique<RegistryClient>(loop_, workers_, send, image, std::move(login)));
}

// What the configuration says, else what Docker or Podman has stored.
Result<RegistryLogin> SigstoreImages::login_for(const ImageReference& image) const {
  const auto configured = config_->registry_credentials.find(image.registry);
  const bool complete = configured != config_->registry_credentials.end() && !configured->second.username.empty() &&
                        !configured->second.password.empty();
  if (!complete) return find_stored_login(environment_, image, log_);
  RegistryLogin login;
  login.username = configured->second.username;
  login.password = configured->second.password.clone();
  return std::move(login);
}

}  // namespace steeple::attestation
